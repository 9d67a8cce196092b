//! How the tests' connections go: unencrypted. `tests/tls` runs some of them another way.

use std::net::SocketAddr;

use testkit::{Postgres, ProxyOptions, ScriptedClient};

/// `sslmode` of PostgreSQL's own programs.
pub(crate) const SSLMODE: &str = "prefer";

/// The server that all tests share.
pub(crate) async fn postgres() -> &'static Postgres {
    Postgres::shared().await
}

/// pgweir in front of it.
pub(crate) async fn options() -> ProxyOptions {
    ProxyOptions::upstream(postgres().await.url("postgres", "postgres"))
}

/// A client of pgweir, not logged in.
pub(crate) async fn connect(address: SocketAddr) -> ScriptedClient {
    ScriptedClient::connect(address).await
}
