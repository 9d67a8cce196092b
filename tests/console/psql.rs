//! psql, by hand and by its backslash commands.

use std::time::{Duration, Instant};

use crate::scene::{Scene, until};

#[tokio::test]
async fn the_profile_the_join_and_the_history() {
    let scene = Scene::with("").await;
    let (cart, batch) = (scene.client("cart").await, scene.client("batch").await);
    for _ in 0..3 {
        cart.simple_query("SELECT pg_sleep(0.02)").await.unwrap();
    }
    batch.simple_query("SELECT 1").await.unwrap();
    let profile = "SELECT application, sum(total_ms) FROM queries GROUP BY 1 ORDER BY 2 DESC";
    let printed = scene.printed(profile).await;
    let lines: Vec<_> = printed.lines().map(|line| line.split('|').next().unwrap()).collect();
    assert_eq!(lines, ["cart", "batch"], "{printed}");

    let sleeping = tokio::spawn(async move { cart.simple_query("SELECT pg_sleep(20)").await });
    let join = "SELECT c.id, c.user, s.remote_pid, q.text, q.p95_ms FROM clients c \
                JOIN servers s ON s.client = c.id JOIN queries q ON q.fingerprint = c.fingerprint";
    let row = until("a client that holds a server", async || {
        scene.printed(join).await.lines().next().map(str::to_owned)
    })
    .await;
    let fields: Vec<_> = row.split('|').collect();
    assert_eq!((fields[1], fields[3]), ("postgres", "SELECT pg_sleep($1)"), "{row}");
    assert!(fields[2].parse::<i32>().is_ok() && fields[4].parse::<f64>().unwrap() >= 19.0, "{row}");
    sleeping.abort();

    let window = "SELECT application, minute <= now(), sum(calls), sum(sum(calls)) OVER \
                  (ORDER BY sum(calls) DESC) FROM query_minutes WHERE minute > now() - \
                  interval '2 hours' GROUP BY application, minute <= now() ORDER BY 3 DESC";
    assert_eq!(scene.printed(window).await, "cart|t|3|3\nbatch|t|1|4\n");
}

#[tokio::test]
async fn backslash_commands_show_tables_and_columns() {
    let scene = Scene::with("").await;
    for command in ["\\d", "\\dt"] {
        let printed = scene.printed(command).await;
        assert!(printed.contains("public|queries|table|pgweir\n"), "{command}: {printed}");
        assert!(printed.contains("public|query_minutes|table|pgweir\n"), "{command}: {printed}");
    }
    let queries = scene.printed("\\d queries").await;
    assert!(queries.contains("total_ms|double precision|"), "{queries}");
    assert!(queries.contains("last_seen|timestamp with time zone|"), "{queries}");
    assert_eq!(scene.printed("\\dn").await.trim(), "public|pgweir");
    for command in ["\\d+ events", "\\l", "\\du", "\\df nothing", "\\di", "\\dv"] {
        scene.printed(command).await;
    }
}

#[tokio::test]
async fn what_would_run_for_ever_is_stopped_and_mistakes_are_shown_where_they_are() {
    let scene = Scene::with("console_query_timeout = \"1s\"").await;
    let never = "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n) \
                 SELECT count(*) FROM n";
    let began = Instant::now();
    let output = scene.psql("watcher", &["-c", never]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("canceling statement due to statement timeout"), "{said}");
    assert!(said.contains("more than 1 s") && said.contains("console_query_timeout"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let output = scene.psql("watcher", &["-c", "SELECT 1;  SELECT nothing FROM queries"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("column \"nothing\" does not exist"), "{said}");
    let caret = said.lines().find(|line| line.trim() == "^").map(|line| line.len());
    let line = said.lines().find(|line| line.starts_with("LINE 1: ")).unwrap_or_default();
    assert_eq!(caret, line.find("nothing").map(|at| at + 1), "{said}");
}
