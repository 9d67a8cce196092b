//! auth_query: users that only the server knows.

use std::time::{Duration, Instant};

use testkit::frames;

use crate::scene::{Scene, told};

const ROLES: &str = "
    CREATE ROLE past LOGIN PASSWORD 'pw' VALID UNTIL '2001-01-01';
    CREATE ROLE future LOGIN PASSWORD 'pw' VALID UNTIL '2999-01-01';
    CREATE ROLE without LOGIN;
    CREATE ROLE barred NOLOGIN PASSWORD 'pw';";

/// Must survive: a login after VALID UNTIL
#[tokio::test]
async fn those_may_log_in_whom_the_server_would_let_in() {
    let scene = Scene::open(ROLES, "", &[]).await;
    assert_eq!(scene.who("future:pw").await.unwrap(), "future");
    assert_eq!(scene.who("web_scram:scram-secret").await.unwrap(), "web_scram");
    for user in ["past", "without", "barred", "nobody", "web_scram"] {
        let expected = format!("FATAL 28P01: password authentication failed for user \"{user}\"");
        assert_eq!(scene.refusal(&format!("{user}:wrong")).await, expected);
        if user != "web_scram" {
            assert_eq!(scene.refusal(&format!("{user}:pw")).await, expected, "the right password");
        }
    }
    // Nothing remembers that it was once right.
    let admin = scene.postgres.admin().await;
    admin.batch_execute("ALTER ROLE future VALID UNTIL '2001-01-01'").await.unwrap();
    let refused = scene.refusal("future:pw").await;
    assert!(refused.starts_with("FATAL 28P01"), "{refused}");
    admin.batch_execute("ALTER ROLE future VALID UNTIL 'infinity'").await.unwrap();
    assert_eq!(scene.who("future:pw").await.unwrap(), "future");
}

/// Must survive: an unknown user becomes auth_user
#[tokio::test]
async fn an_unknown_user_never_becomes_the_one_who_asks() {
    // A name of 63 bytes, which is what PostgreSQL makes of longer ones.
    let long = "n".repeat(63);
    let roles = format!(
        "CREATE ROLE asks SUPERUSER LOGIN PASSWORD 'asks'; CREATE ROLE {long} LOGIN PASSWORD 'pw'"
    );
    for query in [
        // The usual one, and some that answer with somebody else, whoever is asked for.
        "",
        "auth_query = \"SELECT rolname, rolpassword FROM pg_authid WHERE rolname = 'asks' OR rolname = $1\"",
        "auth_query = \"SELECT 'asks', 'asks' WHERE $1 <> ''\"",
        "auth_query = \"SELECT NULL, 'asks' WHERE $1 <> ''\"",
    ] {
        let settings = format!("auth_user = \"asks\"\n{query}\n");
        let scene = Scene::open(&roles, &settings, &[]).await;
        for login in [
            "nobody:asks".to_owned(),
            "nobody:unused".to_owned(),
            "Asks:asks".to_owned(),
            format!("{long}n:pw"),
        ] {
            let refused = scene.refusal(&login).await;
            assert!(refused.starts_with("FATAL 28P01"), "{query} {login}: {refused}");
        }
        if query.is_empty() {
            assert_eq!(scene.who(&format!("{long}:pw")).await.unwrap(), long);
        }
    }
}

/// Must survive: users told apart by the text of a refusal; users told apart by time
#[tokio::test]
async fn who_is_only_known_to_the_server_is_refused_as_somebody_who_is_not() {
    const EACH: usize = 10;
    let role = |number| format!("CREATE ROLE known{number} LOGIN PASSWORD 'pw';");
    let roles: String = (0..EACH).map(role).collect();
    for method in ["plain", "scram-sha-256"] {
        let scene = Scene::open(&roles, &format!("auth_type = {method:?}"), &[]).await;
        let mut told = [Vec::new(), Vec::new()];
        let mut times = [Vec::new(), Vec::new()];
        // The first of all waits for a connection to the server.
        scene.refusal("warm:up").await;
        for number in 0..2 * EACH {
            let kind = number % 2;
            let user = format!("{}{}", ["known", "nobody"][kind], number / 2);
            let mut client = scene.proxy.scripted().await;
            let since = Instant::now();
            client.startup(&user, "postgres", &[]).await;
            let mut said = vec![client.expect(b'R').await];
            if method == "plain" {
                client.send(&frames::password("wrong")).await;
            } else {
                let first = b"n,,n=,r=0123456789";
                let length = u32::try_from(first.len()).unwrap().to_be_bytes();
                let initial = [b"SCRAM-SHA-256\0", &length[..], first].concat();
                client.send(&frames::message(b'p', &initial)).await;
                let challenge = client.expect(b'R').await;
                times[kind].push(since.elapsed());
                let challenge = String::from_utf8(challenge[4..].to_vec()).unwrap();
                let parts: Vec<_> = challenge.split(',').collect();
                let shape = format!("{} {} {}", parts[0].len(), parts[1].len(), parts[2]);
                said.push(shape.into_bytes());
                let proof = "A".repeat(43);
                let last = format!("c=biws,{},p={proof}=", parts[0]);
                client.send(&frames::message(b'p', last.as_bytes())).await;
            }
            let error = client.expect_error().await;
            client.expect_closed().await;
            said.push(error.to_string().replace(&user, "USER").into_bytes());
            told[kind].push(said);
        }
        assert_eq!(told[0], told[1], "{method}");
        if method != "plain" {
            // Others have the processor too: only the shortest time is the login's own.
            let [known, unknown] = times.map(|times| times.into_iter().min().unwrap());
            let slack = Duration::from_millis(1);
            assert!(
                known < unknown * 2 + slack && unknown < known * 2 + slack,
                "{known:?} for those whom the server knows, {unknown:?} for others"
            );
        }
    }
}

/// Must survive: a startup search_path that reaches auth_query
#[tokio::test]
async fn a_clients_search_path_does_not_reach_the_question() {
    let planted = "CREATE SCHEMA evil;
        CREATE TABLE evil.pg_authid AS SELECT rolname, rolvaliduntil, true AS rolcanlogin,
            'md5' || md5('evil' || rolname) AS rolpassword FROM pg_catalog.pg_authid;
        INSERT INTO evil.pg_authid VALUES ('ghost', NULL, true, 'md5' || md5('evilghost'));
        CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''-infinity''::timestamptz';
        ALTER DATABASE postgres SET search_path TO evil, pg_catalog;
        ALTER ROLE postgres SET search_path TO evil, pg_catalog;";
    let scene = Scene::open(planted, "auth_type = \"plain\"", &[]).await;
    for user in ["ghost", "web_scram"] {
        let url = format!(
            "postgres://{user}:evil@{}/postgres?options=-c%20search_path%3Devil%2Cpg_catalog",
            scene.proxy.address()
        );
        let error = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.err().unwrap();
        assert!(told(&error).starts_with("FATAL 28P01"), "{}", told(&error));
    }
    assert_eq!(scene.who("web_scram:scram-secret").await.unwrap(), "web_scram");
}

#[tokio::test]
async fn a_user_who_may_not_ask_is_named_in_the_log_and_nobody_is_let_in() {
    let settings = "auth_user = \"limited\"";
    let scene = Scene::open("", settings, &[]).await;
    let refused = scene.refusal("web_scram:scram-secret").await;
    assert!(refused.starts_with("FATAL 28P01"), "{refused}");
    assert!(scene.proxy.log().contains("permission denied for table pg_authid"));
    // Who is configured is not asked about.
    scene.console().await;
}

#[tokio::test]
async fn many_logins_at_once_are_few_questions() {
    let counting = "CREATE TABLE asked (n serial);
        CREATE FUNCTION public.find(name) RETURNS TABLE (u name, p text) LANGUAGE sql AS
        'INSERT INTO public.asked DEFAULT VALUES;
         SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1';";
    let settings = "auth_query = \"SELECT * FROM public.find($1)\"";
    let scene = Scene::open(counting, settings, &[]).await;
    let began = std::time::Instant::now();
    let logins: Vec<_> = (0..100)
        .map(|_| {
            let url = scene.proxy.url("web_scram:scram-secret", "postgres");
            tokio::spawn(async move { tokio_postgres::connect(&url, tokio_postgres::NoTls).await })
        })
        .collect();
    for login in logins {
        drop(login.await.unwrap().unwrap());
    }
    let windows = began.elapsed().as_secs() as i64 + 1;
    let admin = scene.postgres.admin().await;
    let asked: i64 = admin.query_one("SELECT count(*) FROM asked", &[]).await.unwrap().get(0);
    assert!((1..=3 * windows).contains(&asked), "{asked} questions in {windows} s");
}
