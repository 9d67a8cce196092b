//! `pgbench`: real clients that keep their connections, and for which one that is closed is a failed
//! transaction.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::scene::Scene;

/// Rows that are counted up.
const ROWS: u32 = 1_000;
/// What each transaction does: whatever is lost, or done twice, shows in the sum.
const SCRIPT: &str = "\\set id random(1, 1000)
BEGIN;
UPDATE counters SET n = n + 1 WHERE id = :id;
SELECT n FROM counters WHERE id = :id;
END;
";

/// A running pgbench.
pub(crate) struct Bench {
    child: Child,
    /// What was counted before it began.
    before: u64,
}

impl Bench {
    /// `clients` of them, for so many seconds, with more arguments.
    pub(crate) async fn start<const N: usize>(
        scene: &Scene,
        address: SocketAddr,
        (clients, seconds): (u32, u32),
        arguments: [&str; N],
    ) -> Self {
        let direct = scene.database.connect().await;
        let table = format!(
            "CREATE TABLE IF NOT EXISTS counters (id int PRIMARY KEY, n bigint NOT NULL);
             INSERT INTO counters SELECT g, 0 FROM generate_series(1, {ROWS}) g
             ON CONFLICT DO NOTHING"
        );
        direct.batch_execute(&table).await.unwrap();
        let before = total(scene).await;
        let script = scene.folder.path().join("script.sql");
        std::fs::write(&script, SCRIPT).unwrap();
        let child = Command::new(scene.postgres.programs().program("pgbench").unwrap())
            .args(["-n", "-j", "2", "-c", &clients.to_string(), "-T", &seconds.to_string()])
            .args(arguments)
            .arg("-f")
            .arg(&script)
            .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
            .args(["-U", "postgres", &scene.database.name])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, before }
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end: no transaction has failed, and what it counts is what the server has.
    pub(crate) async fn expect_none_failed(self, scene: &Scene) -> u64 {
        let output = self.child.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}\n{complaints}");
        assert!(!complaints.contains("aborted"), "{complaints}");
        let line = |begin: &str| said.lines().find_map(|line| line.strip_prefix(begin));
        if let Some(failed) = line("number of failed transactions: ") {
            assert!(failed.starts_with("0 "), "{said}");
        }
        let processed = line("number of transactions actually processed: ").unwrap();
        let processed: u64 = processed.split('/').next().unwrap().trim().parse().unwrap();
        assert!(processed > 0, "{said}");
        assert_eq!(total(scene).await - self.before, processed, "lost, or done twice");
        processed
    }
}

/// What has been counted up so far.
pub(crate) async fn total(scene: &Scene) -> u64 {
    let direct = scene.database.connect().await;
    let row = direct.query_one("SELECT coalesce(sum(n), 0)::int8 FROM counters", &[]).await;
    row.unwrap().get::<_, i64>(0).try_into().unwrap()
}

/// Waits until so many more transactions are through.
pub(crate) async fn until_more(scene: &Scene, more: u64) {
    let goal = total(scene).await + more;
    crate::scene::until("the load goes on", async || total(scene).await >= goal).await;
}
