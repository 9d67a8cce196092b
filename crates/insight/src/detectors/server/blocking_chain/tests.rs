use jiff::SignedDuration;
use model::{ClientId, LockQueue, LockWait};

use super::*;
use crate::scene::{Scene, shop};

fn wait(pid: i32, blocked_by: &[i32], waited_ms: u64) -> LockWait {
    LockWait {
        pid,
        blocked_by: blocked_by.to_vec(),
        lock: "transactionid".to_owned(),
        mode: "ShareLock".to_owned(),
        table: Some("public.stock".to_owned()),
        waited_ms,
    }
}

fn session(pid: i32, application: &str) -> SessionFacts {
    SessionFacts {
        pid,
        database: "shop".to_owned(),
        user: "web".to_owned(),
        application: application.to_owned(),
        state: "idle in transaction".to_owned(),
        client: (pid == 1).then_some(ClientId(12)),
        ..SessionFacts::default()
    }
}

/// Lock queues seen so many seconds ago.
fn detect(queues: &[(i64, Vec<LockWait>)]) -> Vec<Finding> {
    let mut scene = Scene::new();
    scene.pause(120_000);
    let now = scene.now();
    let queues = queues.iter().map(|(ago_s, waits)| LockQueue {
        at: now - SignedDuration::from_secs(*ago_s),
        waits: waits.clone(),
        sessions: vec![session(1, "storefront"), session(7, "psql")],
    });
    let server = ServerFacts { lock_queues: queues.collect(), ..ServerFacts::default() };
    scene.catalog.databases.insert("shop".to_owned(), shop(Vec::new()));
    scene.catalog.servers.insert(String::new(), server);
    scene.look(|inputs| BlockingChain.detect(inputs))
}

#[test]
fn the_head_of_the_queue_is_named_and_all_behind_it_are_counted() {
    let findings = detect(&[(2, vec![wait(2, &[1], 4_000), wait(3, &[2], 1_000)])]);
    assert_eq!(findings.len(), 1);
    let finding = &findings[0];
    assert_eq!(finding.severity, Severity::Critical);
    let title = "2 sessions wait for session 1 (client 12 of pgweir, storefront, user web)";
    assert_eq!(finding.title, title);
    assert_eq!(finding.tables, ["public.stock"]);
    assert_eq!(finding.fix.sql.as_deref(), Some("SELECT pg_terminate_backend(1);"));
    assert_eq!(finding.harm_ms, 5_000.0);
}

#[test]
fn what_is_over_is_said_to_be_over() {
    let findings = detect(&[
        (60, vec![wait(2, &[7], 900)]),
        (55, vec![wait(2, &[7], 5_900), wait(3, &[7], 2_000)]),
    ]);
    assert_eq!((findings.len(), findings[0].severity), (1, Severity::Warning));
    assert!(findings[0].title.starts_with("2 sessions waited for session 7 (psql"));
    assert_eq!(findings[0].fix.sql, None, "there is nobody to end");
}

#[test]
fn where_the_server_does_not_say_since_when_successive_looks_do() {
    let standing = [(10, vec![wait(2, &[7], 0)]), (5, vec![wait(2, &[7], 0)])];
    let findings = detect(&standing);
    assert_eq!((findings.len(), findings[0].confidence), (1, Confidence::Medium));
    let why = &findings[0].why;
    assert!(why.starts_with("The first waited at least 5.0 s, on public.stock"), "{why}");
    assert!(detect(&[(5, vec![wait(2, &[7], 0)])]).is_empty(), "seen once");
    let apart = [(60, vec![wait(2, &[7], 0)]), (5, vec![wait(2, &[7], 0)])];
    assert!(detect(&apart).is_empty(), "nobody looked meanwhile");
}

#[test]
fn nobody_says_that_locks_were_looked_at_where_they_were_not() {
    let look = |locks_read_at: Option<i64>| {
        let mut scene = Scene::new();
        let now = scene.now();
        let at = locks_read_at.map(|ago| now - SignedDuration::from_secs(ago));
        let server = ServerFacts {
            locks_read_at: at,
            read_at: Some(now),
            sees_sessions: true,
            ..ServerFacts::default()
        };
        scene.catalog.databases.insert("shop".to_owned(), shop(Vec::new()));
        scene.catalog.servers.insert(String::new(), server);
        scene.look(|inputs| BlockingChain.not_checked(inputs))
    };
    assert_eq!(look(Some(5)), []);
    assert_eq!(look(None)[0].check, "blocking_chain");
    assert_eq!(look(Some(3_600))[0].check, "blocking_chain");
}

#[test]
fn short_waits_and_deadlocks_are_no_finding() {
    assert!(detect(&[(2, vec![wait(2, &[1], 900)])]).is_empty());
    assert!(detect(&[(2, vec![wait(2, &[3], 9_000), wait(3, &[2], 9_000)])]).is_empty());
    assert!(detect(&[]).is_empty());
}

#[test]
fn a_table_asked_for_as_a_whole_is_explained() {
    let ddl = LockWait { mode: "AccessExclusiveLock".to_owned(), ..wait(2, &[1], 4_000) };
    let findings = detect(&[(2, vec![ddl, wait(3, &[2], 3_000)])]);
    let advice = findings[0].fix.advice.as_deref().unwrap_or_default();
    assert!(advice.contains("SET lock_timeout"), "{advice}");
}
