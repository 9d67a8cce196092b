//! What is written is there, once; what is too old or too much is not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    ConnectionStats, FingerprintId, LabelId, Labels, Mark, MarkKind, Minute, PoolKey, PoolMinute,
    QueryStats, RowKey, ShapeInfo, Snapshot, TransactionStats,
};

use super::*;
use crate::error::StoreError;

const DAY: i64 = 24 * 60;
/// A whole day since the epoch, minutes.
const BEGIN: i64 = 20_000 * DAY;

pub(crate) fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap()
}

fn run(instance: &str) -> Run {
    Run { instance: instance.to_owned(), started_at: at(BEGIN), version: "0.1.0".to_owned() }
}

/// `calls` of each of `fingerprints` statements, in milliseconds that differ.
pub(crate) fn minute(minute: i64, fingerprints: u64, calls: u64) -> Minute {
    let label = LabelId::of_history(0);
    let mut made = Minute { minute, dropped: 1, ..Minute::default() };
    for id in 1..=fingerprints {
        let mut stats = QueryStats { calls, rows: 2 * calls, ..QueryStats::default() };
        for call in 0..calls {
            stats.total.record(Duration::from_millis(id + call * 7 % 11));
            stats.wait.record(Duration::ZERO);
        }
        made.queries.insert(RowKey { fingerprint: FingerprintId(id), labels: label }, stats);
    }
    let transactions = TransactionStats { transactions: calls, ..TransactionStats::default() };
    made.transactions.insert(label, transactions);
    let key = PoolKey { database: "shop".into(), user: "web".into() };
    made.pools.insert(key, PoolMinute { samples: 60, size: 20, ..PoolMinute::default() });
    made.connections = ConnectionStats { opened: calls, ..ConnectionStats::default() };
    made.arrivals.insert(label, made.connections.clone());
    made
}

pub(crate) fn snapshot(minutes: impl IntoIterator<Item = Minute>) -> Snapshot {
    let labels = Labels::new("shop", "web", "checkout");
    let shape = |id: u64| ShapeInfo {
        text: format!("SELECT {id} FROM t WHERE id = $1").into(),
        class: "SELECT".into(),
        parsed: Some(true),
        first_seen: at(BEGIN),
        ..ShapeInfo::default()
    };
    let minutes: Vec<_> = minutes.into_iter().map(Arc::new).collect();
    let most = minutes.iter().map(|minute| minute.queries.len() as u64).max().unwrap_or(0);
    Snapshot {
        taken_at: minutes.last().map_or(at(BEGIN), |last| at(last.end())),
        started_at: at(BEGIN),
        labels: HashMap::from([(LabelId::of_history(0), Arc::new(labels))]),
        shapes: (1..=most).map(|id| (FingerprintId(id), shape(id))).collect(),
        minutes: minutes.into(),
        ..Snapshot::default()
    }
}

fn write(local: &mut Local, minutes: impl IntoIterator<Item = Minute>) {
    let snapshot = snapshot(minutes);
    let all: Vec<&Minute> = snapshot.minutes.iter().map(|minute| &**minute).collect();
    local.write(&snapshot, &all).unwrap();
}

pub(crate) fn calls(snapshot: &Snapshot) -> u64 {
    let rows = snapshot.minutes.iter().flat_map(|minute| minute.queries.values());
    rows.map(|stats| stats.calls).sum()
}

fn read(local: &Local, from: i64, until: i64) -> Snapshot {
    local.snapshot((at(from), at(until)), &[], i64::MAX, &HashMap::new()).unwrap()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/history.db");
    (folder, path)
}

fn open(path: &Path) -> Local {
    Local::open(path, &run("one")).unwrap()
}

#[test]
fn what_was_written_is_read_by_another_process_and_after_the_end() {
    let (_folder, path) = folder();
    let mut local = open(&path);
    write(&mut local, (0..3).map(|n| minute(BEGIN + n, 4, 5)));
    let check = |stored: &Stored| {
        let read = stored.snapshot(at(BEGIN), at(BEGIN + 3), &[]).unwrap();
        assert_eq!((read.minutes.len(), calls(&read)), (3, 60));
        let shape = &read.shapes[&FingerprintId(2)];
        assert_eq!((&*shape.text, &*shape.class), ("SELECT 2 FROM t WHERE id = $1", "SELECT"));
        let first = &read.minutes[0];
        let row = first.queries.iter().find(|(key, _)| key.fingerprint.0 == 2).unwrap();
        assert_eq!(&*read.labels[&row.0.labels].application, "checkout");
        assert_eq!(
            Some(row.1),
            minute(BEGIN, 4, 5)
                .queries
                .get(&RowKey { fingerprint: FingerprintId(2), labels: LabelId::of_history(0) })
        );
        assert_eq!((first.dropped, first.connections.opened), (1, 5));
        let expected = minute(BEGIN, 4, 5);
        assert_eq!(first.pools, expected.pools);
        assert_eq!(first.transactions.len(), 1);
        assert_eq!(stored.extent().unwrap(), Some((at(BEGIN), at(BEGIN + 3))));
    };
    check(&Stored::open(&path).unwrap());
    drop(local);
    check(&Stored::open(&path).unwrap());
}

#[test]
fn a_minute_that_is_written_again_is_replaced() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    write(&mut local, [minute(BEGIN, 9, 5)]);
    write(&mut local, [minute(BEGIN, 4, 6), minute(BEGIN + 1, 1, 1)]);
    let read = read(&local, BEGIN, BEGIN + 2);
    assert_eq!(calls(&read), 4 * 6 + 1);
    assert_eq!(read.minutes[0].connections.opened, 6);
}

#[test]
fn a_restart_within_a_minute_adds_up() {
    let (_folder, path) = folder();
    write(&mut open(&path), [minute(BEGIN, 2, 5)]);
    let later = Run { started_at: at(BEGIN) + Duration::from_secs(20), ..run("one") };
    let mut local = Local::open(&path, &later).unwrap();
    write(&mut local, [minute(BEGIN, 2, 3)]);
    let read = read(&local, BEGIN, BEGIN + 1);
    assert_eq!((read.minutes.len(), calls(&read)), (1, 16));
    // Beside memory, which has this run's minute, only the other run's is read.
    let beside = local.snapshot((at(BEGIN), at(BEGIN + 1)), &[], BEGIN, &HashMap::new()).unwrap();
    assert_eq!(calls(&beside), 10);
}

#[test]
fn hours_and_days_are_the_sums_of_their_minutes() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    for hour in 0..26 {
        write(&mut local, (0..60).map(|n| minute(BEGIN + hour * 60 + n, 2, 3)));
    }
    let now = BEGIN + 26 * 60;
    let before = read(&local, BEGIN, now);
    assert_eq!(local.roll_up(now).unwrap(), 26 + 1);
    assert_eq!(local.roll_up(now).unwrap(), 0, "once is enough");
    for (from, until) in [(BEGIN, now), (BEGIN + 17, now - 5), (BEGIN, BEGIN + DAY)] {
        let minutes = (until - from) as u64;
        let read = read(&local, from, until);
        assert_eq!(calls(&read), minutes * 6, "{from} to {until}");
        let dropped: u64 = read.minutes.iter().map(|minute| minute.dropped).sum();
        assert_eq!(dropped, minutes);
    }
    let merged = |snapshot: &Snapshot| {
        let mut all = QueryStats::default();
        let rows = snapshot.minutes.iter().flat_map(|minute| minute.queries.values());
        rows.for_each(|stats| all.merge(stats));
        all
    };
    assert_eq!(merged(&read(&local, BEGIN, now)), merged(&before), "percentiles too");
}

#[test]
fn a_window_over_a_rolled_up_hour_has_an_edge_where_it_is_cut() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    for hour in 0..6 {
        write(&mut local, (0..60).map(|n| minute(BEGIN + hour * 60 + n, 1, 1)));
    }
    local.roll_up(BEGIN + 360).unwrap();
    let cut = at(BEGIN + 95);
    let read =
        local.snapshot((at(BEGIN), at(BEGIN + 360)), &[cut], i64::MAX, &HashMap::new()).unwrap();
    let before = read.between(at(BEGIN), cut - Duration::from_secs(1));
    let after = read.between(cut, at(BEGIN + 360) - Duration::from_secs(1));
    let sum = |window: &model::WindowStats| -> u64 {
        window.queries.values().map(|stats| stats.calls).sum()
    };
    assert_eq!((sum(&before), sum(&after)), (95, 265));
    assert_eq!((before.until, after.since), (cut, cut));
}

#[test]
fn what_is_too_old_goes_and_its_hours_stay() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    for hour in 0..50 {
        write(&mut local, (0..60).map(|n| minute(BEGIN + hour * 60 + n, 1, 1)));
    }
    let now = BEGIN + 50 * 60;
    local.roll_up(now).unwrap();
    let hour = Duration::from_secs(3_600);
    let bounds = Bounds { minutes: 2 * hour, hours: 10 * hour, ..Bounds::default() };
    local.trim(&bounds, now * 60, now).unwrap();
    let rows = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM query_{table}");
        local.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((rows("minutes"), rows("hours"), rows("days")), (120, 26, 2));
    assert_eq!(calls(&read(&local, BEGIN, now)), 50 * 60);
    assert_eq!(calls(&read(&local, now - 180, now)), 180);
}

#[test]
fn the_file_stays_within_its_size() {
    let (_folder, path) = folder();
    let mut local = open(&path);
    let most = 512 * 1024;
    let bounds = Bounds { size_bytes: most, ..Bounds::default() };
    let mut now = BEGIN;
    for _ in 0..12 {
        write(&mut local, (0..60).map(|n| minute(now + n, 40, 12)));
        now += 60;
        local.roll_up(now).unwrap();
        local.trim(&bounds, now * 60, now).unwrap();
        assert!(local.used_bytes().unwrap() <= most, "{}", local.used_bytes().unwrap());
    }
    assert!(std::fs::metadata(&path).unwrap().len() <= most * 2);
    let recent = read(&local, now - 60, now);
    assert_eq!(calls(&recent), 40 * 12 * 60, "the newest stays");
}

#[test]
fn marks_without_end_leave_room_for_statistics() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    write(&mut local, (0..60).map(|n| minute(BEGIN + n, 2, 1)));
    let now = BEGIN + 120;
    local.roll_up(now).unwrap();
    let small = Bounds { size_bytes: 1 << 20, ..Bounds::default() };
    for (bounds, kept) in [(Bounds::default(), bounds::MOST_MARKS as usize), (small, 524)] {
        for second in 0..12_000 {
            let at = at(BEGIN) + Duration::from_secs(second);
            let text = format!("first seen: application worker {second}");
            local.write_mark(&Mark { at, kind: MarkKind::Deploy, text }).unwrap();
        }
        local.trim(&bounds, now * 60, now).unwrap();
        let marks = local.marks(at(BEGIN), at(BEGIN + DAY)).unwrap();
        assert_eq!(marks.len(), kept);
        assert_eq!(marks.last().unwrap().text, "first seen: application worker 11999");
        assert_eq!(calls(&read(&local, BEGIN, now)), 120);
    }
}

#[test]
fn kinds_of_clients_without_end_are_summed_up_and_forgotten() {
    const EACH_MINUTE: u32 = 600;
    let mut local = Local::in_memory(&run("one")).unwrap();
    for number in 0..60 {
        let mut made = Minute { minute: BEGIN + number, ..Minute::default() };
        let mut labels = HashMap::new();
        for kind in 0..EACH_MINUTE {
            let id = LabelId::of_history(kind);
            let transactions = TransactionStats { transactions: 1, ..TransactionStats::default() };
            made.transactions.insert(id, transactions);
            let application = format!("worker {number}.{kind}");
            labels.insert(id, Arc::new(Labels::new("shop", "web", application)));
        }
        let snapshot = Snapshot { labels, ..snapshot([made]) };
        local.write(&snapshot, &[&snapshot.minutes[0]]).unwrap();
    }
    let now = BEGIN + 180;
    let sum = |local: &Local| -> u64 {
        let read = read(local, BEGIN, now);
        let kinds = read.minutes.iter().flat_map(|minute| minute.transactions.values());
        kinds.map(|of| of.transactions).sum()
    };
    assert_eq!(sum(&local), 60 * u64::from(EACH_MINUTE));
    local.roll_up(now).unwrap();
    let bounds = Bounds { minutes: Duration::from_secs(3_600), ..Bounds::default() };
    local.trim(&bounds, now * 60, now).unwrap();
    let known: i64 =
        local.connection.query_row("SELECT count(*) FROM labels", [], |row| row.get(0)).unwrap();
    assert!((1..=2_001).contains(&known), "{known}");
    assert_eq!(sum(&local), 60 * u64::from(EACH_MINUTE), "none is lost");
}

#[test]
fn fingerprints_that_nothing_names_any_more_are_forgotten() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    write(&mut local, [minute(BEGIN, 50, 1)]);
    let now = BEGIN + 800 * DAY;
    write(&mut local, [minute(now, 2, 1)]);
    local.roll_up(now + 1).unwrap();
    local.trim(&Bounds::default(), now * 60, now + 1).unwrap();
    let known: i64 = local
        .connection
        .query_row("SELECT count(*) FROM fingerprints", [], |row| row.get(0))
        .unwrap();
    assert_eq!(known, 2);
    write(&mut local, [minute(now + 1, 3, 1)]);
    assert_eq!(calls(&read(&local, now, now + 2)), 5);
}

#[test]
fn a_second_process_is_told_and_one_after_the_first_is_not() {
    let (_folder, path) = folder();
    let first = open(&path);
    let second = Local::open(&path, &run("two"));
    assert!(matches!(&second, Err(StoreError::InUse { .. })));
    let said = second.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(said.contains("is in use by another pgweir; give each its own data_dir"), "{said}");
    drop(first);
    open(&path);
}

#[test]
fn a_file_of_an_earlier_version_is_brought_up_to_date_and_read_as_it_is() {
    let (_folder, path) = folder();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(schema::MIGRATIONS[0]).unwrap();
    connection.pragma_update(None, "application_id", 0x7067_7772).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection.execute_batch("INSERT INTO periods VALUES (60, 1728000000, 1, 7, 1, 1)").unwrap();
    drop(connection);
    let stored = Stored::open(&path).unwrap();
    assert_eq!(stored.marks(at(BEGIN), at(BEGIN + 1)).unwrap(), []);
    assert_eq!(stored.snapshot(at(BEGIN), at(BEGIN + 1), &[]).unwrap().minutes[0].dropped, 7);
    drop(stored);
    let mut local = open(&path);
    write(&mut local, [minute(BEGIN + 1, 1, 1)]);
    assert_eq!(read(&local, BEGIN, BEGIN + 2).minutes.len(), 2);
    let version: i64 =
        local.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, schema::MIGRATIONS.len() as i64);
}

#[test]
fn files_that_are_not_ours_or_of_a_later_version_are_left_alone() {
    let (_folder, path) = folder();
    drop(open(&path));
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    for result in [Local::open(&path, &run("one")).err(), Stored::open(&path).err()] {
        let said = result.map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains("was made by a later pgweir (schema 99, this one knows up to"));
    }
    let (_folder, path) = folder();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let foreign = Connection::open(&path).unwrap();
    foreign.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    drop(foreign);
    assert!(matches!(Local::open(&path, &run("one")), Err(StoreError::NotOurs { .. })));
    let text = path.with_extension("txt");
    std::fs::write(&text, "no database at all, but long enough to be looked at".repeat(40))
        .unwrap();
    assert!(matches!(Stored::open(&text), Err(StoreError::NotOurs { .. })));
    let missing = path.with_extension("none");
    let said = Stored::open(&missing).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(said.contains("history.none") && said.contains("No such file"), "{said}");
}

#[test]
fn marks_and_conclusions_are_of_their_time() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    let mark = |minute: i64, kind, text: &str| Mark { at: at(minute), kind, text: text.to_owned() };
    let reload = mark(BEGIN + 5, MarkKind::Reload, "settings read again");
    local.write_mark(&mark(BEGIN + 9, MarkKind::Note, "deployed 4711")).unwrap();
    local.write_mark(&reload).unwrap();
    local.write_mark(&reload).unwrap();
    let marks = local.marks(at(BEGIN), at(BEGIN + 10)).unwrap();
    assert_eq!(
        marks.iter().map(|mark| mark.kind).collect::<Vec<_>>(),
        [MarkKind::Reload, MarkKind::Note]
    );
    for (taken, check) in [(1, "early"), (7, "late"), (8, "later")] {
        let snapshot = Snapshot { taken_at: at(BEGIN + taken), ..Snapshot::default() };
        let published = published(snapshot, check);
        local.write_conclusions(&published).unwrap();
    }
    let last = |from: i64, until: i64| {
        conclusions::last(&local.connection, at(BEGIN + from), at(BEGIN + until)).unwrap().checked
    };
    assert_eq!(last(0, 3), ["early"]);
    assert_eq!(last(0, 60), ["later"], "the last of its five minutes");
    assert_eq!(last(2, 4), [""; 0]);
}

#[test]
fn plans_are_kept_with_their_times() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    let version = |shape: u64, since: i64, until: i64| model::PlanVersion {
        sample: model::Sample::default(),
        since: at(BEGIN + since),
        until: at(BEGIN + until),
        plan: model::PlanText {
            shape: model::PlanShape(shape),
            cost: 12.5,
            rows: 3.0,
            text: "Seq Scan on t (a = $)".to_owned(),
        },
    };
    let id = FingerprintId(u64::MAX - 7);
    for until in [6, 8] {
        let mut published = published(snapshot([minute(BEGIN + until, 1, 1)]), "x");
        let mut database = model::DatabaseFacts::default();
        let versions = vec![version(u64::MAX, 0, 5), version(2, 5, until)];
        database.plan_history.insert(id, versions);
        let mut catalog = model::CatalogFacts::default();
        catalog.databases.insert("shop".to_owned(), database);
        published.catalog = Arc::new(catalog);
        local.write_conclusions(&published).unwrap();
    }
    let plans = |from: i64, until: i64| {
        let read = conclusions::plans(&local.connection, at(BEGIN + from), at(BEGIN + until));
        read.unwrap().remove("shop").and_then(|mut of| of.remove(&id)).unwrap_or_default()
    };
    assert_eq!(plans(0, 10), [version(u64::MAX, 0, 5), version(2, 5, 8)]);
    assert_eq!(plans(7, 10), [version(2, 5, 8)]);
    assert_eq!(plans(9, 10), []);
}

pub(crate) fn published(snapshot: Snapshot, check: &str) -> model::Published {
    model::Published {
        snapshot: Arc::new(snapshot),
        catalog: Arc::default(),
        findings: Vec::new(),
        checked: vec![check.to_owned()],
        not_checked: Vec::new(),
        results: Vec::new(),
    }
}

#[test]
fn what_waits_is_given_out_oldest_first_and_again_when_it_was_rewritten() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    local.expect_fleet();
    write(&mut local, (0..3).map(|n| minute(BEGIN + n, 2, 1)));
    let start = |parcel: &Option<Parcel>| match parcel {
        Some(Parcel::Period { start, queries, .. }) => Some((start - BEGIN, queries.len())),
        _ => None,
    };
    // The third minute is not over.
    let over = BEGIN + 2;
    let first = local.next_parcel(over).unwrap();
    assert_eq!(start(&first), Some((0, 2)));
    // Rewritten after it was given out: what was sent is an old version.
    write(&mut local, [minute(BEGIN, 1, 1)]);
    local.mark_sent(&first.unwrap()).unwrap();
    let again = local.next_parcel(over).unwrap();
    assert_eq!(start(&again), Some((0, 1)));
    local.mark_sent(&again.unwrap()).unwrap();
    let second = local.next_parcel(over).unwrap();
    assert_eq!(start(&second), Some((1, 2)));
    local.mark_sent(&second.unwrap()).unwrap();
    assert!(local.next_parcel(over).unwrap().is_none());
    assert_eq!(local.waiting().unwrap(), 1);
}

/// As after a version that goes back to one before.
#[test]
fn a_mark_of_a_later_version_waits_and_lets_the_others_pass() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    local.expect_fleet();
    let mark = |minute: i64, text: &str| Mark {
        at: Timestamp::from_second(minute * 60).unwrap(),
        kind: MarkKind::Note,
        text: text.to_owned(),
    };
    let later = "UPDATE marks SET kind = 'of_a_later_version'";
    local.write_mark(&mark(BEGIN + 1, "as it is called by then")).unwrap();
    assert_eq!(local.connection.execute(later, []).unwrap(), 1);
    local.write_mark(&mark(BEGIN + 2, "ours")).unwrap();
    let next = local.next_parcel(BEGIN).unwrap();
    assert!(matches!(&next, Some(Parcel::Mark { mark, .. }) if mark.text == "ours"), "{next:?}");
    local.mark_sent(&next.unwrap()).unwrap();
    assert!(local.next_parcel(BEGIN).unwrap().is_none());
}

#[test]
fn what_had_to_go_before_it_was_sent_is_counted() {
    let mut local = Local::in_memory(&run("one")).unwrap();
    local.expect_fleet();
    for hour in 0..4 {
        write(&mut local, (0..60).map(|n| minute(BEGIN + hour * 60 + n, 1, 1)));
    }
    let now = BEGIN + 240;
    let hour = Duration::from_secs(3_600);
    local.roll_up(now).unwrap();
    local.trim(&Bounds { minutes: hour, ..Bounds::default() }, now * 60, now).unwrap();
    assert_eq!(local.unsent_dropped().unwrap(), 180);
}
