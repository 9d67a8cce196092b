//! What encryption costs a client that does nothing.

use testkit::{Proxy, ProxyOptions, ScriptedClient};

use crate::scene::PGWEIR;
use crate::vitals;
use crate::way::{Ground, ground};

/// Clients whose memory is measured together.
const CLIENTS: u64 = 300;
/// What one may take, KiB: it is 12, of which 3 are what a client takes that is not encrypted.
const MAY_TAKE_KIB: u64 = 16;

async fn encrypted(ground: &Ground, proxy: &Proxy) -> ScriptedClient {
    let mut client = proxy.scripted().await;
    client.encrypt(&ground.trusting()).await;
    client.startup("postgres", "postgres", &[]).await;
    client.login_trust().await;
    assert_eq!(client.value("SELECT 1").await, "1");
    client
}

#[tokio::test]
async fn an_encrypted_client_takes_little_while_it_is_idle() {
    let ground = ground().await;
    let upstream = ground.url("postgres", "sslmode=verify-full");
    // Nor what the analyser needs, which begins to work at any moment.
    let tls = ground.client_tls("require");
    let settings = format!("upstream = {upstream:?}\nanalyse = false\nstatistics = false\n{tls}");
    let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
    // What the first ones cost is nobody's own.
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(encrypted(ground, &proxy).await);
    }
    let before = vitals::resident_kib(&proxy);
    for _ in 0..CLIENTS {
        clients.push(encrypted(ground, &proxy).await);
    }
    let (Some(before), Some(after)) = (before, vitals::resident_kib(&proxy)) else { return };
    let each = after.saturating_sub(before) / CLIENTS;
    assert!(each <= MAY_TAKE_KIB, "{each} KiB each, from {before} to {after}");
}
