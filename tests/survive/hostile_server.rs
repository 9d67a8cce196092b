//! Servers that break off at every place.

use std::time::Duration;

use testkit::frames::{self, kinds};
use testkit::{FakeServer, Proxy, ProxyOptions, ScriptedClient, Step};

use crate::scene::{PGWEIR, with_settings};

async fn before(scripts: Vec<Vec<Step>>) -> (FakeServer, Proxy) {
    let server = FakeServer::start_each(scripts).await;
    let options = ProxyOptions::upstream(server.url("app:secret", "shop"));
    let settings = [
        "auth_type=trust",
        "analyse=off",
        "default_pool_size=1",
        "server_login_retry=0",
        "server_connect_timeout=2s",
        "query_wait_timeout=5s",
    ];
    let proxy = Proxy::start(PGWEIR, with_settings(options, settings)).await;
    (server, proxy)
}

/// Must survive: truncated messages of a server
#[tokio::test]
async fn a_login_that_is_cut_off_at_every_byte() {
    let greeting = [
        frames::authentication(0, &[]),
        frames::parameter_status("server_version", "15.0"),
        frames::parameter_status("client_encoding", "UTF8"),
        frames::backend_key_data(7, &[1, 2, 3, 4]),
        frames::ready_for_query(b'I'),
    ]
    .concat();
    let mut scripts: Vec<Vec<Step>> = (0..greeting.len())
        .map(|cut| {
            let end = if cut % 2 == 0 { Step::Close } else { Step::Reset };
            vec![Step::ReadStartup, Step::Send(greeting[..cut].to_vec()), end]
        })
        .collect();
    scripts.push(vec![Step::AcceptLogin, Step::Serve]);
    let (server, proxy) = before(scripts).await;
    // Each by a pool of its own, which has not heard that the server is not well.
    for cut in 0..greeting.len() {
        let mut client = proxy.scripted().await;
        client.startup("app", &format!("shop{cut}"), &[]).await;
        let error = client.expect_error().await;
        assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "08006"), "{cut}: {error}");
        client.expect_closed().await;
    }
    assert_eq!(server.connections(), greeting.len());
    let mut client = ScriptedClient::login(proxy.address(), "app", "shop").await;
    assert_eq!(kinds(&client.query("SELECT 1").await), "CZ");
    assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
}

/// Must survive: truncated messages of a server; RST in mid-write by a server
#[tokio::test]
async fn an_answer_that_is_cut_off_at_every_byte() {
    let answer = [
        frames::row_description(&["a"]),
        frames::data_row(&[Some("value")]),
        frames::command_complete("SELECT 1"),
        frames::ready_for_query(b'I'),
    ]
    .concat();
    let mut scripts: Vec<Vec<Step>> = (0..answer.len())
        .map(|cut| {
            let end = if cut % 2 == 0 { Step::Close } else { Step::Reset };
            let said = Step::Send(answer[..cut].to_vec());
            // A reset overtakes what was sent before it unless that has been read.
            let pause = Step::Delay(Duration::from_millis(2));
            vec![Step::AcceptLogin, Step::ReadUntil(b'Q'), said, pause, end]
        })
        .collect();
    scripts.push(vec![Step::AcceptLogin, Step::Serve]);
    let (server, proxy) = before(scripts).await;
    let mut lost = 0;
    for _ in 0..2 * answer.len() {
        if server.connections() >= answer.len() {
            break;
        }
        let mut client = ScriptedClient::login(proxy.address(), "app", "shop").await;
        client.send_query("SELECT 1").await;
        let mut said = Vec::new();
        // A row of which a part has gone out cannot be taken back: the connection ends in it.
        let whole = loop {
            match client.try_next_frame().await {
                Ok(Some(frame)) if frame.0 == b'Z' => break true,
                Ok(Some(frame)) => said.push(frame),
                Ok(None) | Err(_) => break false,
            }
        };
        // An answer whose end has not come is never made to look whole.
        match whole {
            true => assert_eq!(frames::only_error(&said).sqlstate(), "08006", "{}", kinds(&said)),
            false => lost += 1,
        }
    }
    assert!(lost > 0, "rows are streamed");
    let mut client = ScriptedClient::login(proxy.address(), "app", "shop").await;
    assert_eq!(kinds(&client.query("SELECT 2").await), "CZ");
    assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
}
