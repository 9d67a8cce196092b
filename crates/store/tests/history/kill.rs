//! kill -9 while it writes, again and again: the store opens each time, and no minute that was said to
//! be written is lost or doubled.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pgweir_store::Stored;

use crate::made::{BEGIN, Measured, at, by_minute, calls_in, history};

/// Tells this very program to be the one that is killed.
const FOLDER: &str = "PGWEIR_STORE_TEST_FOLDER";
const FIRST_MINUTE: &str = "PGWEIR_STORE_TEST_FIRST_MINUTE";
const KILLS: u64 = 20;

/// Not a test by itself: the program that the test below starts and kills.
#[test]
fn writer_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let first: i64 = std::env::var(FIRST_MINUTE).unwrap().parse().unwrap();
    let history = history(Path::new(&folder), "one", first, Some(Duration::ZERO), None);
    assert!(history.status().path.is_some(), "it must not be in memory: {history:?}");
    let measured = Measured::new("checkout", first, 0);
    let mut said = None;
    // Ends by being killed; by itself where nobody does.
    for tick in 0..200_000 {
        // Three ticks a minute: a third of it, a half, all and the next.
        let (minute, part) = (first + tick / 3, 3 - (tick % 3) as u64);
        history.offer(&measured.tick(minute, part));
        while history.status().flushed_up_to < Some(at(minute) - Duration::from_secs(60)) {
            std::thread::yield_now();
        }
        let written = history.written_up_to();
        if written != said {
            said = written;
            if let Some(written) = written {
                let mut out = std::io::stdout().lock();
                writeln!(out, "\nwritten {}", written.as_second() / 60).unwrap();
                out.flush().unwrap();
            }
        }
    }
}

struct Writer {
    child: Child,
    /// The last minute (left out) that it said was written.
    written: std::sync::mpsc::Receiver<i64>,
}

fn start(folder: &Path, first: i64) -> Writer {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::writer_that_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST_MINUTE, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (send, written) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if let Some(minute) = line.strip_prefix("written ") {
                let _ = send.send(minute.parse().unwrap());
            }
        }
    });
    Writer { child, written }
}

#[test]
fn no_minute_that_was_said_to_be_written_is_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut first = BEGIN;
    let mut lives: Vec<(i64, i64)> = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(120);
    for kill in 0..KILLS {
        let mut writer = start(folder.path(), first);
        // Some minutes, then a moment that is another one each time.
        let mut up_to = writer.written.recv_timeout(Duration::from_secs(20)).expect("it writes");
        let moment = Instant::now() + Duration::from_millis(40 + kill * 37 % 150);
        while Instant::now() < moment {
            up_to = writer.written.recv_timeout(Duration::from_millis(5)).unwrap_or(up_to);
        }
        writer.child.kill().unwrap();
        writer.child.wait().unwrap();
        // What was still in the pipe was said too.
        while let Ok(later) = writer.written.recv() {
            up_to = later;
        }
        lives.push((first, up_to));
        check(&path, &lives);
        // Far enough from what was written and not yet said to be.
        first = up_to + 20;
        assert!(Instant::now() < deadline, "too slow: {kill} kills");
    }
    assert!(first - BEGIN > KILLS as i64, "minutes were written in every life");
}

/// Every minute that was said to be written is whole; the others have no more than there was.
fn check(path: &Path, lives: &[(i64, i64)]) {
    let stored = Stored::open(path).unwrap_or_else(|error| panic!("it opens each time: {error}"));
    let far = Timestamp::from_second((BEGIN + 60 * 24 * 300) * 60).unwrap();
    for (first, up_to) in lives {
        // By the minute, two hours at a time.
        for begin in (*first..*up_to).step_by(120) {
            let end = (begin + 120).min(*up_to);
            let read = stored.snapshot(at(begin), at(end).min(far), &[]).unwrap();
            let there = by_minute(&read);
            for minute in begin..end {
                assert_eq!(there.get(&minute), Some(&calls_in(minute)), "minute {minute}");
            }
        }
    }
    let (_, up_to) = lives.last().unwrap();
    let rest = stored.snapshot(at(*up_to), at(up_to + 100), &[]).unwrap();
    for (minute, calls) in by_minute(&rest) {
        assert!(calls <= calls_in(minute), "minute {minute} is not doubled");
    }
}
