//! What is left when all clients have gone, and what to say of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use testkit::frames::query;
use testkit::{Postgres, Proxy, show};

use crate::blocks::TABLE;
use crate::connection::Connection;
use crate::stage::Stage;
use crate::vitals::Vitals;

/// How long pgweir may take to clean up behind the clients.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is left of clients in a server session, if anything: a query that gives no row on a clean one.
const LEFT: &str = "
    SELECT 'setting ' || name || ' = ' || setting FROM pg_settings
        WHERE source = 'session' AND setting IS DISTINCT FROM reset_val
    UNION ALL SELECT 'temporary table ' || relname FROM pg_class
        WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'
    UNION ALL SELECT 'advisory lock ' || objid FROM pg_locks
        WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'channel ' || c FROM pg_listening_channels() c
    UNION ALL SELECT 'cursor ' || name FROM pg_cursors
    UNION ALL SELECT 'prepared ' || name FROM pg_prepared_statements WHERE from_sql";

/// Why the run failed; empty if it did not.
pub(crate) struct Verdict {
    pub(crate) failures: Vec<String>,
    pub(crate) report: String,
}

impl Verdict {
    /// Looks at everything, once all clients have gone.
    pub(crate) async fn reach(
        stage: &Stage,
        postgres: &Postgres,
        proxy: &Proxy,
        vitals: [Vitals; 2],
    ) -> Self {
        let mut failures = Vec::new();
        let ledger = &stage.ledger;
        let wrong = ledger.wrong.lock().clone();
        let stuck = ledger.stuck.lock().clone();
        let unexplained = ledger.unexplained();
        let leaked = leaked(stage, postgres, proxy).await;
        let rows = rows(stage, postgres).await;
        let [before, after] = vitals;
        for (what, found) in
            [("wrong answer", &wrong), ("stuck", &stuck), ("leaked", &leaked), ("rows", &rows)]
        {
            failures.extend(found.iter().take(20).map(|one| format!("{what}: {one}")));
        }
        failures.extend(unexplained.iter().take(20).map(|one| {
            format!(
                "no fault explains {} {} in {} ({}) of client {}, begun {:?} before",
                one.state,
                one.message,
                one.activity,
                one.exposure,
                one.client,
                one.at - one.since
            )
        }));
        // What hit a client before is where a wrong answer comes from.
        for one in ledger.incidents.lock().iter() {
            if wrong.iter().any(|what| what.starts_with(&format!("client {} ", one.client))) {
                failures.push(format!(
                    "before it, client {} in {} ({}): {}",
                    one.client, one.activity, one.exposure, one.message
                ));
            }
        }
        let mut report = String::new();
        let _ = writeln!(
            report,
            "{} clients, pool of {}, {} s, seed {}",
            stage.plan.clients, stage.plan.pool, stage.plan.seconds, stage.plan.seed
        );
        let _ = writeln!(
            report,
            "answers checked              {}",
            ledger.answers.load(Ordering::Relaxed)
        );
        let _ = writeln!(report, "faults                       {}", ledger.faults.lock().len());
        let _ = writeln!(report, "wrong answers                {}", wrong.len());
        let _ = writeln!(report, "stuck clients                {}", stuck.len());
        let _ = writeln!(report, "leaked                       {}", leaked.len());
        let _ = writeln!(report, "rows missing or too many     {}", rows.len());
        let _ = writeln!(report, "errors clients saw           {}", ledger.incidents.lock().len());
        let _ = writeln!(report, "  on statements not in flight at a fault  {}", unexplained.len());
        let _ = writeln!(
            report,
            "tokens committed, absent     {}, {}",
            ledger.committed.lock().len(),
            ledger.absent.lock().len()
        );
        let _ = writeln!(report, "pgweir before                {before}");
        let _ = writeln!(report, "pgweir after                 {after}");
        tables(stage, &mut report);
        Self { failures, report }
    }
}

fn tables(stage: &Stage, report: &mut String) {
    let _ = writeln!(report, "\nactivities completed");
    for (activity, count) in stage.ledger.activities() {
        let _ = writeln!(report, "  {count:8}  {activity}");
    }
    let mut faults = BTreeMap::<_, u64>::new();
    for fault in stage.ledger.faults.lock().iter() {
        *faults.entry(fault.kind).or_default() += 1;
    }
    let _ = writeln!(report, "\nfaults");
    for (kind, count) in faults {
        let _ = writeln!(report, "  {count:8}  {kind}");
    }
    let mut errors = BTreeMap::<_, (u64, String)>::new();
    for one in stage.ledger.incidents.lock().iter() {
        let entry = errors.entry((one.state.clone(), one.exposure)).or_default();
        entry.0 += 1;
        entry.1 = format!("{} ({})", one.message, one.activity);
    }
    let _ = writeln!(report, "\nerrors by SQLSTATE, and what they hit");
    for ((state, exposure), (count, message)) in errors {
        let _ = writeln!(report, "  {count:8}  {state:14} {exposure:10} {message}");
    }
}

/// What is left of the clients in the pool.
async fn leaked(stage: &Stage, postgres: &Postgres, proxy: &Proxy) -> Vec<String> {
    let console = proxy.connect("postgres", "pgweir").await;
    let ours = async |what: &str| {
        let rows = show(&console, what).await;
        rows.into_iter().filter(|row| row["database"] == stage.database).collect::<Vec<_>>()
    };
    let mut leaked = Vec::new();
    // Cleaning what clients left may take a moment.
    let busy = async || {
        let mut rows = ours("SHOW CLIENTS").await;
        rows.extend(ours("SHOW SERVERS").await.into_iter().filter(|row| row["state"] != "idle"));
        rows
    };
    let deadline = Instant::now() + PATIENCE;
    while !busy().await.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    leaked.extend(busy().await.into_iter().map(|row| format!("still there: {row:?}")));
    let direct = postgres.admin().await;
    let sql = "SELECT pid, coalesce(state, '') FROM pg_stat_activity WHERE usename = 'web_trust'";
    let mut rows = Vec::new();
    let known = async || -> BTreeSet<String> {
        ours("SHOW SERVERS").await.iter().map(|row| row["remote_pid"].clone()).collect()
    };
    // A backend that was closed takes a moment to end.
    for _ in 0..200 {
        rows = direct.query(sql, &[]).await.unwrap();
        let pids: BTreeSet<String> =
            rows.iter().map(|row| row.get::<_, i32>(0).to_string()).collect();
        if pids == known().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let known = known().await;
    for row in &rows {
        let (pid, state) = (row.get::<_, i32>(0), row.get::<_, String>(1));
        if !known.contains(&pid.to_string()) {
            leaked.push(format!("the server has a connection {pid} that pgweir does not know"));
        }
        if state != "idle" {
            leaked.push(format!("server connection {pid} is {state}"));
        }
    }
    if rows.len() > stage.plan.pool {
        leaked.push(format!("{} server connections in a pool of {}", rows.len(), stage.plan.pool));
    }
    leaked.extend(left_in_sessions(stage, rows.len()).await);
    leaked
}

/// Looks at each server connection from within; all at once, so that each is a different one.
async fn left_in_sessions(stage: &Stage, count: usize) -> Vec<String> {
    let mut clients = Vec::new();
    let startup = [("user", "web_trust"), ("database", stage.database.as_str())];
    for _ in 0..count {
        let login = Connection::log_in(stage.pgweir, &startup, stage.plan.patience).await;
        let mut client = login.unwrap_or_else(|trouble| panic!("a last login: {trouble:?}"));
        let began = client.exchange(&query("BEGIN")).await;
        began.unwrap_or_else(|trouble| panic!("a last BEGIN: {trouble:?}"));
        clients.push(client);
    }
    let mut left = Vec::new();
    for client in &mut clients {
        let found = client.exchange(&query(LEFT)).await;
        let found = found.unwrap_or_else(|trouble| panic!("a last look: {trouble:?}"));
        left.extend(found.rows.into_iter().flatten());
        left.extend(found.error.map(|error| error.to_string()));
    }
    left
}

/// Compares what was committed with what is there.
async fn rows(stage: &Stage, postgres: &Postgres) -> Vec<String> {
    let direct = postgres.connect(&stage.database, "postgres").await;
    let rows = direct.query(&format!("SELECT token FROM {TABLE}"), &[]).await.unwrap();
    let mut there = HashSet::new();
    let mut faults = Vec::new();
    for row in rows {
        let token: String = row.get(0);
        if !there.insert(token.clone()) {
            faults.push(format!("{token} is there twice"));
        }
    }
    let committed = stage.ledger.committed.lock();
    let absent = stage.ledger.absent.lock();
    faults.extend(committed.difference(&there).map(|token| format!("{token} is lost")));
    faults.extend(absent.intersection(&there).map(|token| format!("{token} was never committed")));
    faults
}
