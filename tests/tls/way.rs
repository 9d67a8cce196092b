//! A server with TLS that all tests share, and a pgweir that encrypts on both sides.

use std::net::SocketAddr;
use std::path::PathBuf;

use testkit::{
    Authority, ClientEncryption, Identity, Postgres, PostgresOptions, ProxyOptions, ScriptedClient,
};
use tokio::sync::OnceCell;

/// `sslmode` of PostgreSQL's own programs.
pub(crate) const SSLMODE: &str = "require";

/// What the tests share.
pub(crate) struct Ground {
    pub(crate) postgres: Postgres,
    /// Vouches for the server, for pgweir and for clients.
    pub(crate) authority: Authority,
    /// Files, removed with the server.
    pub(crate) authority_file: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Settings of a server with TLS whose files lie in its data directory.
pub(crate) fn with_tls() -> PostgresOptions {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    PostgresOptions { settings: vec![setting("ssl", "on"), setting("ssl_ca_file", "root.crt")] }
}

/// Starts a server that shows this certificate and knows this authority.
pub(crate) async fn start(
    identity: &Identity,
    authority: &Authority,
    more: &[(&str, &str)],
) -> Postgres {
    let root = authority.pem();
    let (certificate, key) = (identity.certificate.as_str(), identity.key.as_str());
    let own = [("server.crt", certificate), ("server.key", key), ("root.crt", root.as_str())];
    Postgres::start_with(with_tls(), &[&own[..], more].concat()).await
}

/// What the tests share; made by the first that asks.
pub(crate) async fn ground() -> &'static Ground {
    static GROUND: OnceCell<Ground> = OnceCell::const_new();
    GROUND
        .get_or_init(async || {
            let authority = Authority::new("the tests' authority");
            let postgres = start(&authority.local(), &authority, &[]).await;
            let directory = postgres.socket_directory();
            let (certificate, key) = authority.local().write(directory, "pgweir");
            let authority_file = directory.join("authority.crt");
            std::fs::write(&authority_file, authority.pem()).unwrap();
            Ground { postgres, authority, authority_file, certificate, key }
        })
        .await
}

impl Ground {
    /// TOML: what pgweir shows to clients, and who vouches for them.
    pub(crate) fn client_tls(&self, mode: &str) -> String {
        format!(
            "client_tls_sslmode = {mode:?}\nclient_tls_cert_file = {:?}\nclient_tls_key_file = \
             {:?}\nclient_tls_ca_file = {:?}\n",
            self.certificate, self.key, self.authority_file
        )
    }

    /// A URL of the server, with parameters.
    pub(crate) fn url(&self, user: &str, parameters: &str) -> String {
        let (url, authority) = (self.postgres.url(user, "postgres"), self.authority_file.display());
        format!("{url}?sslrootcert={authority}&{parameters}")
    }

    /// A client that trusts pgweir.
    pub(crate) fn trusting(&self) -> ClientEncryption {
        ClientEncryption::trusting(self.authority.pem())
    }
}

/// The server that all tests share.
pub(crate) async fn postgres() -> &'static Postgres {
    &ground().await.postgres
}

/// pgweir in front of it.
pub(crate) async fn options() -> ProxyOptions {
    let ground = ground().await;
    let set = |name: &str, path: &PathBuf| format!("{name}={}", path.display());
    let certificate = set("client_tls_cert_file", &ground.certificate);
    let key = set("client_tls_key_file", &ground.key);
    ProxyOptions::upstream(ground.url("postgres", "sslmode=verify-full")).arguments([
        "--set",
        "client_tls_sslmode=prefer",
        "--set",
        &certificate,
        "--set",
        &key,
    ])
}

/// A client of pgweir, not logged in.
pub(crate) async fn connect(address: SocketAddr) -> ScriptedClient {
    let mut client = ScriptedClient::connect(address).await;
    client.encrypt(&ground().await.trusting()).await;
    client
}
