//! Every `server_tls_sslmode` with every kind of server.

use std::path::Path;

use testkit::{Authority, Identity, Postgres, Proxy, ProxyOptions, Validity};

use crate::scene::PGWEIR;
use crate::table::Table;
use crate::way::{Ground, ground, start};

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Clients are let in only encrypted, or only unencrypted.
const HBA: &str = "local all all trust
hostssl only_tls all 127.0.0.1/32 trust
hostnossl only_plain all 127.0.0.1/32 trust
host postgres all 127.0.0.1/32 trust
";

struct Kind {
    what: &'static str,
    database: &'static str,
    server: Postgres,
}

async fn kinds(authority: &Authority) -> Vec<Kind> {
    let local = ["localhost", "127.0.0.1"];
    let foreign = Authority::new("another authority").local();
    let expired = authority.issue("localhost", &local, Validity::Expired);
    let future = authority.issue("localhost", &local, Validity::Future);
    let elsewhere = authority.issue("db.example", &["db.example", "10.1.2.3"], Validity::Now);
    let named = authority.issue("127.0.0.1", &[], Validity::Now);
    let of = async |identity: &Identity| start(identity, authority, &[]).await;
    let (foreign, expired, future) = tokio::join!(of(&foreign), of(&expired), of(&future));
    let (elsewhere, named) = tokio::join!(of(&elsewhere), of(&named));
    let plain = Postgres::start(testkit::PostgresOptions::default()).await;
    let kind = |what, database, server| Kind { what, database, server };
    let all = vec![
        kind("no TLS", "no_tls", plain),
        kind("certificate expired", "expired", expired),
        kind("certificate not valid yet", "future", future),
        kind("certificate of another authority", "stranger", foreign),
        kind("certificate for another host", "elsewhere", elsewhere),
        kind("certificate with no name but the common name", "named", named),
    ];
    for Kind { database, server, .. } in &all {
        create(server, database).await;
    }
    all
}

async fn create(server: &Postgres, database: &str) {
    server.admin().await.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
}

/// pgweir in this mode, with a database on each server.
async fn pgweir(ground: &Ground, mode: &str, ways: &[(&str, &Postgres)]) -> Proxy {
    let urls: Vec<_> = ways.iter().map(|(name, server)| server.url("postgres", name)).collect();
    let authority = &ground.authority_file;
    let settings = format!(
        "upstream = {urls:?}\nserver_tls_sslmode = {mode:?}\nserver_tls_ca_file = {authority:?}\n"
    );
    Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await
}

/// How a client's first query ends.
async fn outcome(proxy: &Proxy, database: &str) -> String {
    let client = match proxy.try_connect("postgres", database).await {
        Ok(client) => client,
        Err(error) => {
            let told = error.as_db_error().unwrap_or_else(|| panic!("{database}: {error}"));
            // The port is another in each run.
            let message = told.message().split_once(": ").map_or(told.message(), |parts| parts.1);
            return match told.hint() {
                Some(hint) => format!("refused: `{message}`. {hint}"),
                None => format!("refused: `{}`", told.message()),
            };
        }
    };
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let encrypted: bool = client.query_one(sql, &[]).await.unwrap().get(0);
    if encrypted { "TLS".to_owned() } else { "plain".to_owned() }
}

#[tokio::test]
async fn every_mode_with_every_kind_of_server() {
    let ground = ground().await;
    let kinds = kinds(&ground.authority).await;
    let strict = start(&ground.authority.local(), &ground.authority, &[("pg_hba.conf", HBA)]).await;
    let mut ways: Vec<_> =
        kinds.iter().map(|kind| (kind.what, kind.database, &kind.server)).collect();
    ways.insert(1, ("TLS, certificate in order", "postgres", &strict));
    for (what, database) in [
        ("TLS, and pg_hba.conf admits only `hostssl`", "only_tls"),
        ("TLS, and pg_hba.conf admits only `hostnossl`", "only_plain"),
    ] {
        create(&strict, database).await;
        ways.push((what, database, &strict));
    }
    let by_name: Vec<_> = ways.iter().map(|(_, name, server)| (*name, *server)).collect();
    let mut rows: Vec<_> = ways.iter().map(|(what, ..)| ((*what).to_owned(), Vec::new())).collect();
    for mode in MODES {
        let proxy = pgweir(ground, mode, &by_name).await;
        for (row, (database, _)) in rows.iter_mut().zip(&by_name) {
            row.1.push(outcome(&proxy, database).await);
        }
    }
    let columns = ["server"].into_iter().chain(MODES).map(str::to_owned).collect();
    Table { name: "servers", columns, rows }.check();
}

fn in_file(directory: &Path, text: &str) -> String {
    let file = directory.join("authorities.pem");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[tokio::test]
async fn a_servers_own_certificate_may_vouch_for_it() {
    let ground = ground().await;
    let own = Identity::self_signed("127.0.0.1");
    let server = start(&own, &ground.authority, &[]).await;
    let directory = tempfile::tempdir().unwrap();
    let file = in_file(directory.path(), &own.certificate);
    let url =
        format!("{}?sslmode=verify-full&sslrootcert={file}", server.url("postgres", "postgres"));
    let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(url)).await;
    assert_eq!(outcome(&proxy, "postgres").await, "TLS");
}

#[tokio::test]
async fn a_file_of_several_authorities_knows_each() {
    let ground = ground().await;
    let directory = tempfile::tempdir().unwrap();
    let both = format!("{}{}", Authority::new("another").pem(), ground.authority.pem());
    let file = in_file(directory.path(), &both);
    let url = ground.postgres.url("postgres", "postgres");
    let url = format!("{url}?sslmode=verify-full&sslrootcert={file}");
    let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(url)).await;
    assert_eq!(outcome(&proxy, "postgres").await, "TLS");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_it() {
    let ground = ground().await;
    let hba = "host postgres postgres 127.0.0.1/32 trust\nhostssl all amy 127.0.0.1/32 cert\n";
    let server = start(&ground.authority.local(), &ground.authority, &[("pg_hba.conf", hba)]).await;
    server.admin().await.batch_execute("CREATE ROLE amy LOGIN").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = ground.authority.client("amy").write(directory.path(), "amy");
    let shown = format!("sslcert={}&sslkey={}", certificate.display(), key.display());
    let refusal = "connection requires a valid client certificate";
    for (mode, parameters, expected) in [
        ("require", shown.as_str(), Ok(())),
        ("prefer", shown.as_str(), Ok(())),
        ("require", "", Err(refusal)),
    ] {
        let url = server.url("amy", "postgres");
        let url = format!("{url}?sslmode={mode}&{parameters}");
        let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(url)).await;
        match (proxy.try_connect("amy", "postgres").await, expected) {
            (Ok(client), Ok(())) => {
                let row = client.query_one("SELECT current_user::text", &[]).await.unwrap();
                assert_eq!(row.get::<_, String>(0), "amy");
            }
            (Err(error), Err(expected)) => {
                let told = error.as_db_error().unwrap().message().to_owned();
                assert!(told.contains(expected), "{mode}: {told}");
            }
            (came, _) => panic!("{mode} {parameters}: {:?}", came.err()),
        }
    }
}
