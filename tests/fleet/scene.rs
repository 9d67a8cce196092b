//! Clients and cancel requests, whoever they go to.

use std::net::SocketAddr;

use testkit::{Frame, Postgres, ScriptedClient, frames, until};

/// The program under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");

/// What BackendKeyData says.
pub(crate) type Key = (i32, Vec<u8>);

/// The key among a login's messages.
pub(crate) fn key(welcome: &[Frame]) -> Key {
    let (_, body) = welcome.iter().find(|(kind, _)| *kind == b'K').unwrap();
    let (id, secret) = body.split_at(4);
    (i32::from_be_bytes(id.try_into().unwrap()), secret.to_vec())
}

/// A client that is logged in, and its key; `version` is the protocol's.
pub(crate) async fn client(address: SocketAddr, version: u32) -> (ScriptedClient, Key) {
    let mut client = ScriptedClient::connect(address).await;
    client.send(&frames::startup(version, &[("user", "postgres"), ("database", "postgres")])).await;
    let key = key(&client.login_trust().await);
    (client, key)
}

/// Sends a cancel request, and waits until it has been dealt with.
pub(crate) async fn cancel(address: SocketAddr, (process_id, secret): &Key) {
    let mut connection = ScriptedClient::connect(address).await;
    connection.send(&frames::cancel(*process_id, secret)).await;
    connection.expect_closed().await;
}

/// Waits until so many server processes run `pg_sleep` for so long, which is a number of the test's
/// own.
pub(crate) async fn until_sleeping(postgres: &Postgres, seconds: u32) {
    let admin = postgres.admin().await;
    let sql = "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(' || $1 || ')%'
               AND wait_event = 'PgSleep' AND pid <> pg_backend_pid()";
    until("the statement runs", async || {
        !admin.query(sql, &[&seconds.to_string()]).await.unwrap().is_empty()
    })
    .await;
}
