//! Servers that misbehave.

use std::time::{Duration, Instant};

use testkit::frames::{self, kinds};
use testkit::{FakeServer, Frame, Proxy, ProxyOptions, ScriptedClient, Step};

use crate::scene::{PGWEIR, error, show, until, with_settings};
use crate::vitals;

/// pgweir in front of a server that follows these scripts, one for each connection.
async fn before(scripts: Vec<Vec<Step>>) -> (FakeServer, Proxy) {
    let server = FakeServer::start_each(scripts).await;
    let options = ProxyOptions::upstream(server.url("app:secret", "shop"));
    let settings = [
        "auth_type=trust",
        "analyse=off",
        "default_pool_size=1",
        "server_connect_timeout=500ms",
        "query_wait_timeout=5s",
    ];
    let proxy = Proxy::start(PGWEIR, with_settings(options, settings)).await;
    (server, proxy)
}

/// What a client is told at login when the server does this.
async fn refused_at_login(script: Vec<Step>) -> testkit::ErrorFields {
    let (_server, proxy) = before(vec![script.clone()]).await;
    let asked = Instant::now();
    let mut client = proxy.scripted().await;
    client.startup("app", "shop", &[]).await;
    let error = client.expect_error().await;
    client.expect_closed().await;
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?} for {script:?}", asked.elapsed());
    assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
    assert_eq!(error.severity(), "FATAL");
    error
}

/// Must survive: oversized messages of a server
#[tokio::test]
async fn a_login_that_makes_no_sense_is_an_error_and_no_login() {
    let ok = frames::authentication(0, &[]);
    let ready = frames::ready_for_query(b'I');
    let sasl = || frames::authentication_sasl(&["SCRAM-SHA-256"]);
    let scripts: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("no authentication", vec![ready.clone()]),
        ("only parameters", vec![[frames::parameter_status("a", "b"), ready.clone()].concat()]),
        ("half a message", vec![b"R\0\0".to_vec()]),
        ("half a body", vec![b"R\0\0\0\x08\0\0".to_vec()]),
        ("no length", vec![frames::header(b'R', 0)]),
        ("a negative length", vec![frames::header(b'R', u32::MAX)]),
        ("a giant", vec![frames::header(b'R', 0x3fff_ffff)]),
        ("a giant after login", vec![ok.clone(), frames::header(b'S', 0x0010_0000)]),
        ("garbage", vec![b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()]),
        ("an unknown method", vec![frames::authentication(99, &[])]),
        ("a salt of five bytes", vec![frames::authentication(5, &[1; 5])]),
        ("rows", vec![ok.clone(), frames::data_row(&[None])]),
        ("twice", vec![[ok.clone(), ok.clone(), ready.clone()].concat()]),
        ("no mechanism", vec![frames::authentication_sasl(&[])]),
        ("an answer behind it", vec![[ok.clone(), ready.clone(), ready.clone()].concat()]),
        ("the front of one", vec![[ok.clone(), ready.clone(), b"C".to_vec()].concat()]),
        ("a foreign mechanism", vec![frames::authentication_sasl(&["PLAIN"])]),
        ("the end before the challenge", vec![sasl(), [ok.clone(), ready.clone()].concat()]),
        ("the signature before the challenge", vec![sasl(), frames::authentication(12, b"v=AAAA")]),
        ("a challenge of garbage", vec![sasl(), frames::authentication(11, b"\xff\0r=,,,")]),
    ];
    for (what, messages) in scripts {
        let mut script = vec![Step::ReadStartup];
        for (number, message) in messages.into_iter().enumerate() {
            if number > 0 && message[0] == b'R' {
                script.push(Step::Read);
            }
            script.push(Step::Send(message));
        }
        let error = refused_at_login(script).await;
        assert_eq!(error.sqlstate(), "08006", "{what}: {error}");
    }
}

/// Must survive: a long SCRAM nonce; a giant iteration count
#[tokio::test]
async fn a_scram_exchange_that_would_cost_too_much_or_proves_nothing() {
    let sasl = Step::Send(frames::authentication_sasl(&["SCRAM-SHA-256"]));
    let challenge = |iterations, server_nonce: &str| {
        vec![
            Step::ReadStartup,
            sasl.clone(),
            Step::ScramChallenge { iterations, server_nonce: server_nonce.to_owned() },
        ]
    };
    let long = "n".repeat(50_000);
    for script in [
        challenge(4_000_000_000, "abc"),
        challenge(u64::MAX, "abc"),
        challenge(0, "abc"),
        challenge(4096, &long),
        challenge(4096, ""),
    ] {
        let error = refused_at_login([script, vec![Step::Hang]].concat()).await;
        assert_eq!(error.sqlstate(), "08006", "{error}");
    }
    // The exchange is not over before the server has shown that it knows the password too.
    let skipped = [frames::authentication(0, &[]), frames::ready_for_query(b'I')].concat();
    let wrong = frames::authentication(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    for last in [skipped.clone(), [wrong, skipped].concat()] {
        let end = vec![Step::Read, Step::Send(last), Step::Hang];
        let error = refused_at_login([challenge(4096, "abc"), end].concat()).await;
        assert_eq!(error.sqlstate(), "08006", "{error}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    for script in [
        vec![Step::Hang],
        vec![Step::ReadStartup, Step::Hang],
        vec![Step::ReadStartup, Step::Send(frames::authentication(0, &[])), Step::Hang],
    ] {
        let error = refused_at_login(script).await;
        assert_eq!(error.sqlstate(), "08006");
        assert!(error.message().contains("server_connect_timeout"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_never_stops_is_given_up() {
    let flood: Vec<u8> = (0..200_000)
        .flat_map(|number| frames::parameter_status(&format!("setting {number}"), "value"))
        .collect();
    let login = [frames::authentication(0, &[]), flood, frames::ready_for_query(b'I')].concat();
    let error = refused_at_login(vec![Step::ReadStartup, Step::Send(login), Step::Hang]).await;
    assert_eq!(error.sqlstate(), "08006", "{error}");
}

/// Must survive: an ErrorResponse without SQLSTATE
#[tokio::test]
async fn an_error_without_a_sqlstate_gets_one() {
    let script = |fields: &[(u8, &str)]| {
        vec![Step::ReadStartup, Step::Send(frames::error_response(fields)), Step::Close]
    };
    let error = refused_at_login(script(&[(b'S', "FATAL"), (b'M', "no way")])).await;
    assert_eq!((error.sqlstate(), error.message()), ("XX000", "no way"));
    let error = refused_at_login(script(&[(b'C', "abc")])).await;
    assert_eq!(error.sqlstate(), "XX000");
    let error = refused_at_login(script(&[])).await;
    assert_eq!(error.sqlstate(), "XX000");
}

/// The first connection says this in answer to a query, the second works. What the client gets.
async fn answer(bytes: Vec<u8>, end: Step) -> (Proxy, FakeServer, ScriptedClient) {
    let first = vec![Step::AcceptLogin, Step::ReadUntil(b'Q'), Step::Send(bytes), end];
    let (server, proxy) = before(vec![first, vec![Step::AcceptLogin, Step::Serve]]).await;
    let mut client = ScriptedClient::login(proxy.address(), "app", "shop").await;
    client.send_query("SELECT 1").await;
    (proxy, server, client)
}

/// Connections that were to be used, rather than to cancel what runs on another.
fn logins(server: &FakeServer) -> usize {
    let cancel = frames::CANCEL_REQUEST.to_be_bytes();
    let received = server.received();
    received.iter().filter(|all| all.first().is_some_and(|one| !one.1.starts_with(&cancel))).count()
}

/// Whether the client, or a new one in its place, is served by the second connection.
async fn goes_on(proxy: &Proxy, server: &FakeServer, client: Option<ScriptedClient>) {
    let mut client = match client {
        Some(client) => client,
        None => ScriptedClient::login(proxy.address(), "app", "shop").await,
    };
    assert_eq!(kinds(&client.query("SELECT 2").await), "CZ");
    assert_eq!(logins(server), 2, "the first connection is not used any more");
    assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
}

/// Must survive: oversized messages of a server
#[tokio::test]
async fn garbage_in_mid_query_is_the_clients_error_and_the_connections_end() {
    let row = frames::row_description(&["a"]);
    let ready = frames::ready_for_query(b'I');
    let garbage: Vec<(&str, Vec<u8>)> = vec![
        ("text", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("no length", frames::header(b'D', 0)),
        ("a negative length", frames::header(b'D', u32::MAX)),
        ("an impossible length", frames::header(b'T', 0x7fff_ffff)),
        ("after a row", [row.clone(), frames::header(b'D', 3)].concat()),
        ("a BindComplete", frames::message(b'2', &[])),
        ("a login", frames::authentication(0, &[])),
        ("an unknown status", frames::ready_for_query(b'X')),
        ("no status", frames::message(b'Z', &[])),
        ("CopyBothResponse", frames::message(b'W', &[0, 0, 0])),
    ];
    for (what, bytes) in garbage {
        let (proxy, server, mut client) = answer(bytes, Step::Hang).await;
        let said = client.expect_until(b'Z').await;
        assert_eq!(error(&said).sqlstate(), "08006", "{what}");
        goes_on(&proxy, &server, Some(client)).await;
    }
    // Half a message may be the front of a whole one: it is the server's silence that is long.
    let half = [row, ready[..3].to_vec()].concat();
    let (proxy, server, mut client) = answer(half, Step::Close).await;
    assert_eq!(error(&client.expect_until(b'Z').await).sqlstate(), "08006");
    goes_on(&proxy, &server, Some(client)).await;
}

/// Must survive: RST in mid-write by a server
#[tokio::test]
async fn a_row_that_ends_in_the_middle_ends_the_clients_connection() {
    for end in [Step::Close, Step::Reset] {
        let mut bytes = frames::row_description(&["a"]);
        bytes.extend(frames::header(b'D', 1_000_000));
        bytes.extend([b'x'; 5_000]);
        let (proxy, server, mut client) = answer(bytes, end).await;
        client.expect(b'T').await;
        // The front of the row has gone out: anything said now would be part of it.
        for _ in 0..5 {
            client.expect_byte().await;
        }
        for _ in 0..5_000 {
            assert_eq!(client.expect_byte().await, b'x');
        }
        client.expect_closed().await;
        goes_on(&proxy, &server, None).await;
    }
}

/// Must survive: oversized messages of a server
#[tokio::test]
async fn a_giant_row_costs_no_memory_before_it_comes() {
    let mut bytes = frames::row_description(&["a"]);
    bytes.extend(frames::header(b'D', 0x3fff_ffff));
    bytes.extend(vec![b'x'; 1 << 20]);
    let (proxy, _server, mut client) = answer(bytes, Step::Hang).await;
    client.expect(b'T').await;
    for _ in 0..(1 << 10) {
        client.expect_byte().await;
    }
    if let Some(resident) = vitals::resident_kib(&proxy) {
        assert!(resident < 200 * 1024, "{resident} KiB");
    }
}

/// Must survive: an ErrorResponse without SQLSTATE
#[tokio::test]
async fn errors_without_a_sqlstate_go_through_and_are_counted() {
    let bytes = [
        frames::error_response(&[(b'S', "ERROR"), (b'M', "somehow")]),
        frames::ready_for_query(b'I'),
    ]
    .concat();
    let first = vec![
        Step::AcceptLogin,
        Step::ReadUntil(b'Q'),
        Step::Send(bytes),
        Step::ReadUntil(b'Q'),
        Step::Send([frames::error_response(&[]), frames::ready_for_query(b'I')].concat()),
        Step::Serve,
    ];
    let (server, proxy) = before(vec![first]).await;
    let mut client = ScriptedClient::login(proxy.address(), "app", "shop").await;
    let said = client.query("SELECT 1").await;
    assert_eq!((error(&said).sqlstate(), error(&said).message()), ("", "somehow"));
    assert_eq!(kinds(&client.query("SELECT 1").await), "EZ");
    assert_eq!(kinds(&client.query("SELECT 1").await), "CZ");
    assert_eq!(logins(&server), 1);
}

#[tokio::test]
async fn a_fatal_error_in_mid_query_is_an_error_to_the_client() {
    let fatal = frames::error_response(&[(b'S', "FATAL"), (b'C', "57P01"), (b'M', "goodbye")]);
    let (proxy, server, mut client) = answer(fatal, Step::Close).await;
    let said = client.expect_until(b'Z').await;
    let told = error(&said);
    assert_eq!((told.severity(), told.sqlstate(), told.message()), ("ERROR", "57P01", "goodbye"));
    goes_on(&proxy, &server, Some(client)).await;
}

#[tokio::test]
async fn what_a_server_says_too_much_reaches_nobody() {
    let done = [frames::command_complete("SELECT 0"), frames::ready_for_query(b'I')].concat();
    let extra = frames::data_row(&[Some("of somebody else")]);
    // With the answer, and after a while.
    let at_once = vec![
        Step::AcceptLogin,
        Step::ReadUntil(b'Q'),
        Step::Send([done.clone(), extra.clone(), done.clone()].concat()),
        Step::Hang,
    ];
    let later = vec![
        Step::AcceptLogin,
        Step::ReadUntil(b'Q'),
        Step::Send(done.clone()),
        Step::Delay(Duration::from_millis(30)),
        Step::Send([extra, done].concat()),
        Step::Hang,
    ];
    for script in [at_once, later] {
        let (server, proxy) = before(vec![script, vec![Step::AcceptLogin, Step::Serve]]).await;
        let mut first = ScriptedClient::login(proxy.address(), "app", "shop").await;
        assert_eq!(kinds(&first.query("SELECT 1").await), "CZ");
        until("the connection is dropped", async || {
            let received: Vec<Vec<Frame>> = server.received();
            received[0].last().is_some_and(|(kind, _)| *kind == b'X')
        })
        .await;
        let mut second = ScriptedClient::login(proxy.address(), "app", "shop").await;
        assert_eq!(kinds(&second.query("SELECT 2").await), "CZ");
        assert_eq!(kinds(&first.query("SELECT 3").await), "CZ");
        assert_eq!(logins(&server), 2);
    }
}

/// The front of an answer that nobody has asked for, whose rest comes when somebody has.
#[tokio::test]
async fn what_a_server_has_begun_to_say_too_much_is_not_finished_to_the_next() {
    let done = |tag: &str, status| {
        [frames::command_complete(tag), frames::ready_for_query(status)].concat()
    };
    let extra = done("DELETE 666", b'I');
    // In the middle of a head, and of a body.
    for cut in [1, 3, 9] {
        let (front, rest) = extra.split_at(cut);
        let script = vec![
            Step::AcceptLogin,
            Step::ReadUntil(b'Q'),
            Step::Send(done("BEGIN", b'T')),
            Step::ReadUntil(b'Q'),
            Step::Send([&done("COMMIT", b'I'), front].concat()),
            Step::ReadUntil(b'Q'),
            Step::Send(rest.to_vec()),
            Step::Serve,
        ];
        let (server, proxy) = before(vec![script, vec![Step::AcceptLogin, Step::Serve]]).await;
        let console = proxy.connect("app", "pgweir").await;
        let mut first = ScriptedClient::login(proxy.address(), "app", "shop").await;
        let mut second = ScriptedClient::login(proxy.address(), "app", "shop").await;
        first.query("BEGIN").await;
        second.send_query("SELECT 2").await;
        until("the second waits", async || {
            let pools = show(&console, "SHOW POOLS").await;
            pools.iter().any(|pool| pool["database"] == "shop" && pool["cl_waiting"] == "1")
        })
        .await;
        assert_eq!(kinds(&first.query("COMMIT").await), "CZ");
        let said = second.expect_until(b'Z').await;
        assert_eq!(said[0], (b'C', b"SELECT 0\0".to_vec()), "cut at {cut}");
        goes_on(&proxy, &server, Some(second)).await;
    }
}

/// The same, of a connection that is idle by then.
#[tokio::test]
async fn what_an_idle_server_begins_to_say_is_its_end() {
    let done = [frames::command_complete("SELECT 0"), frames::ready_for_query(b'I')].concat();
    for front in [&b"C"[..], b"D\0\0", b"C\0\0\0\x0fDEL"] {
        let script = vec![
            Step::AcceptLogin,
            Step::ReadUntil(b'Q'),
            Step::Send(done.clone()),
            Step::Delay(Duration::from_millis(30)),
            Step::Send(front.to_vec()),
            Step::Hang,
        ];
        let (server, proxy) = before(vec![script, vec![Step::AcceptLogin, Step::Serve]]).await;
        let mut client = ScriptedClient::login(proxy.address(), "app", "shop").await;
        assert_eq!(kinds(&client.query("SELECT 1").await), "CZ");
        until("the connection is dropped", async || {
            server.received()[0].last().is_some_and(|(kind, _)| *kind == b'X')
        })
        .await;
        goes_on(&proxy, &server, Some(client)).await;
    }
}

#[tokio::test]
async fn a_client_in_a_block_is_told_that_the_block_is_lost() {
    let first = vec![
        Step::AcceptLogin,
        Step::ReadUntil(b'Q'),
        Step::Send([frames::command_complete("BEGIN"), frames::ready_for_query(b'T')].concat()),
        Step::ReadUntil(b'Q'),
        Step::Reset,
    ];
    let (server, proxy) = before(vec![first, vec![Step::AcceptLogin, Step::Serve]]).await;
    let mut client = ScriptedClient::login(proxy.address(), "app", "shop").await;
    assert_eq!(kinds(&client.query("BEGIN").await), "CZ");
    let said = client.query("UPDATE account SET sum = sum - 1").await;
    assert_eq!(error(&said).sqlstate(), "08006");
    assert_eq!(said.last().unwrap().1, b"E");
    let said = client.query("UPDATE account SET sum = sum + 1").await;
    assert_eq!(error(&said).sqlstate(), "25P02", "half a transaction must not become a whole one");
    assert_eq!(kinds(&client.query("COMMIT").await), "CZ");
    goes_on(&proxy, &server, Some(client)).await;
}
