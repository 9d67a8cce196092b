//! The thread: what it is shown is written, and read together with what is not yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Mark, MarkKind};
use pgweir_store::Stored;

use crate::made::{BEGIN, Measured, at, by_minute, calls_in, history};

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn past_and_memory_are_read_as_one_and_no_minute_counts_twice() {
    let folder = tempfile::tempdir().unwrap();
    let measured = Measured::new("checkout", BEGIN, 0);
    let one = history(folder.path(), "one", BEGIN, None, None);
    for minute in BEGIN..BEGIN + 90 {
        one.offer(&measured.tick(minute, 2));
        until("it is written", || minute == BEGIN || one.written_up_to() == Some(at(minute))).await;
    }
    // Memory has five minutes and the current one, of which half was measured.
    let live = measured.tick(BEGIN + 89, 2);
    let past = one.snapshot(&live.snapshot, at(BEGIN), at(BEGIN + 90), &[]).await.unwrap();
    let there = by_minute(&past);
    for minute in BEGIN..BEGIN + 89 {
        assert_eq!(there[&minute], calls_in(minute), "minute {minute}");
    }
    assert!(there[&(BEGIN + 89)] < calls_in(BEGIN + 89));
    assert_eq!(past.minutes.len(), 90);
    let recent = one.snapshot(&live.snapshot, at(BEGIN + 86), at(BEGIN + 90), &[]).await.unwrap();
    assert!(Arc::ptr_eq(&recent, &live.snapshot), "memory has all of it");
    one.offer(&live);
    assert!(one.stop(Duration::from_secs(10)));
    assert!(one.snapshot(&live.snapshot, at(BEGIN), at(BEGIN + 90), &[]).await.is_err());

    // The next process begins in the same minute.
    let again = Measured::new("checkout", BEGIN + 89, 0);
    let two = history(folder.path(), "one", BEGIN + 89, None, None);
    let live = again.tick(BEGIN + 90, 1);
    two.offer(&live);
    until("it is written", || two.written_up_to() == Some(at(BEGIN + 90))).await;
    let past = two.snapshot(&live.snapshot, at(BEGIN), at(BEGIN + 91), &[]).await.unwrap();
    let there = by_minute(&past);
    let half: u64 = (1..=crate::made::STATEMENTS)
        .map(|statement| crate::made::calls_of(BEGIN + 89, statement) / 2)
        .sum();
    assert_eq!(there[&(BEGIN + 89)], half + calls_in(BEGIN + 89), "of both");
    assert_eq!(there[&(BEGIN + 88)], calls_in(BEGIN + 88));
    assert_eq!(there[&(BEGIN + 90)], calls_in(BEGIN + 90));
}

#[tokio::test]
async fn a_file_that_was_lent_has_what_both_have_measured() {
    let folder = tempfile::tempdir().unwrap();
    let mark = |text: &str| Mark { at: at(BEGIN), kind: MarkKind::Note, text: text.to_owned() };
    let measured = Measured::new("checkout", BEGIN, 0);
    let one = history(folder.path(), "one", BEGIN, None, None);
    one.offer(&measured.tick(BEGIN + 1, 1));
    let loan = one.lend().await.unwrap();

    let again = Measured::new("checkout", BEGIN + 1, 0);
    let two = history(folder.path(), "one", BEGIN + 1, None, None);
    assert!(two.status().path.is_some(), "the file is free");
    two.offer(&again.tick(BEGIN + 2, 1));
    // The first goes on measuring.
    one.offer(&measured.tick(BEGIN + 3, 1));
    one.note(mark("meanwhile"));
    let theirs = two.lend().await.unwrap();
    drop(loan);
    assert!(one.stop(Duration::from_secs(10)));
    drop(theirs);

    let live = again.tick(BEGIN + 3, 1);
    two.offer(&live);
    let past = two.snapshot(&live.snapshot, at(BEGIN), at(BEGIN + 4), &[]).await.unwrap();
    let there = by_minute(&past);
    assert_eq!(there[&BEGIN], calls_in(BEGIN), "of the first alone");
    for minute in BEGIN + 1..=BEGIN + 3 {
        assert_eq!(there[&minute], 2 * calls_in(minute), "minute {minute}, of both");
    }
    let marks = two.marks(at(BEGIN), at(BEGIN + 1)).await.unwrap();
    assert_eq!(marks, [mark("meanwhile")]);
    assert!(two.stop(Duration::from_secs(10)));
}

#[tokio::test]
async fn a_second_process_keeps_its_history_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let one = history(folder.path(), "one", BEGIN, None, None);
    let two = history(folder.path(), "two", BEGIN, None, None);
    assert_eq!(one.status().path, Some(folder.path().join("history.db")));
    assert_eq!(two.status().path, None);
    let measured = Measured::new("checkout", BEGIN, 0);
    two.offer(&measured.tick(BEGIN + 3, 1));
    until("it is written", || two.written_up_to() == Some(at(BEGIN + 3))).await;
    let live = measured.tick(BEGIN + 30, 1);
    let past = two.snapshot(&live.snapshot, at(BEGIN), at(BEGIN + 3), &[]).await.unwrap();
    assert_eq!(by_minute(&past)[&BEGIN], calls_in(BEGIN));
    let stored = Stored::open(&folder.path().join("history.db")).unwrap();
    assert_eq!(stored.extent().unwrap(), None, "nothing of it is in the first one's file");
}

#[tokio::test]
async fn what_happened_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let one = history(folder.path(), "one", BEGIN, None, None);
    let mark = |minute: i64, kind| Mark { at: at(minute), kind, text: "as it was".to_owned() };
    one.note(mark(BEGIN + 2, MarkKind::Reload));
    one.note(mark(BEGIN + 1, MarkKind::Start));
    let marks = one.marks(at(BEGIN), at(BEGIN + 5)).await.unwrap();
    assert_eq!(marks, [mark(BEGIN + 1, MarkKind::Start), mark(BEGIN + 2, MarkKind::Reload)]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_no_reason_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, "in the way").unwrap();
    let one = history(&file, "one", BEGIN, None, None);
    assert_eq!(one.status().path, None);
    one.offer(&Measured::new("checkout", BEGIN, 0).tick(BEGIN + 1, 1));
    until("it is written", || one.written_up_to() == Some(at(BEGIN + 1))).await;
}
