//! What is written is read again, and nothing that is read panics.

use std::time::Duration;

use model::{ConnectionStats, PoolMinute, QueryStats, Spread, TransactionStats};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use model::ShapeId;

fn histogram(times_us: &[u64]) -> model::Histogram {
    let mut histogram = model::Histogram::default();
    times_us.iter().for_each(|us| histogram.record(Duration::from_micros(*us)));
    histogram
}

fn code(number: u64) -> SqlState {
    SqlState::from_bytes(format!("{:05}", number % 100_000).as_bytes())
}

/// Statistics made of these numbers, which are of every size.
fn stats(numbers: &[u64], times_us: &[u64]) -> QueryStats {
    let number = |at: usize| numbers.get(at).copied().unwrap_or(0) % MOST;
    let mut cancelled = Spread::default();
    times_us.iter().take(2).for_each(|us| cancelled.record(Duration::from_micros(*us)));
    QueryStats {
        calls: number(0),
        errors: numbers.iter().take(3).map(|n| (code(*n), 1 + n % 9)).collect(),
        lost: number(1),
        rows: number(2),
        bytes_received: number(3),
        bytes_sent: number(4),
        wait: histogram(&vec![0; times_us.len()]),
        first_byte: histogram(&times_us.iter().map(|us| us / 2).collect::<Vec<_>>()),
        total: histogram(times_us),
        repeats: number(5),
        repeated_calls: number(6),
        longest_repeat: number(7),
        prepared_calls: number(8),
        most_rows: number(9),
        abandoned: number(10),
        abandoned_bytes: number(11),
        stalled: Duration::from_nanos(number(12)),
        longest_stall: Duration::from_nanos(number(13)),
        cancelled,
        retries: number(14),
        contended: number(15),
        contended_time: Duration::from_nanos(number(16)),
        sampled: model::SampledValues { offsets: number(17), ..Default::default() },
        ..QueryStats::default()
    }
}

fn numbers() -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![Just(0), 0..100u64, any::<u64>()], 0..40)
}

fn times() -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![Just(0), 1..2_000u64, 1..10_000_000_000u64], 0..60)
}

proptest! {
    #[test]
    fn a_row_is_read_as_it_was_written(numbers in numbers(), times in times()) {
        let written = stats(&numbers, &times);
        prop_assert_eq!(decode_query(&encode_query(&written)), Ok(written));
    }

    #[test]
    fn traffic_is_read_as_it_was_written(numbers in numbers(), times in times()) {
        let number = |at: usize| numbers.get(at).copied().unwrap_or(0) % MOST;
        let transactions = TransactionStats {
            transactions: number(0),
            pinned: number(1),
            block_duration: histogram(&times),
            idle: Duration::from_nanos(number(2)),
            idle_after: ShapeId(numbers.first().copied().unwrap_or(0)),
            pin_reasons: [("temporary table".into(), number(3))].into(),
            bytes_sent: number(4),
            ..TransactionStats::default()
        };
        let read = decode_transactions(&encode_transactions(&transactions));
        prop_assert_eq!(read, Ok(transactions));
        let pool = PoolMinute {
            wait: histogram(&times),
            held: histogram(&times),
            most_waiting: number(0) as u32,
            size: 20,
            samples: number(1),
            connect_failures: numbers.iter().take(2).map(|n| (code(*n), 1)).collect(),
            ..PoolMinute::default()
        };
        prop_assert_eq!(decode_pool(&encode_pool(&pool)), Ok(pool));
        let connections = ConnectionStats {
            opened: number(0),
            closed: number(1),
            refused: numbers.iter().take(2).map(|n| (code(*n), 1)).collect(),
            lifetime: histogram(&times),
        };
        let read = decode_connections(&encode_connections(&connections));
        prop_assert_eq!(read, Ok(connections));
    }

    #[test]
    fn made_up_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let versioned = [&[VERSION], &bytes[..]].concat();
        for bytes in [&bytes, &versioned] {
            let _ = decode_query(bytes);
            let _ = decode_transactions(bytes);
            let _ = decode_pool(bytes);
            let _ = decode_connections(bytes);
        }
    }

    #[test]
    fn damaged_rows_are_read_without_a_panic(
        times in times(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = encode_query(&stats(&[1, 2, 3, 4, 5], &times));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(mut read) = decode_query(&bytes) {
            let again = read.clone();
            read.merge(&again);
        }
        let _ = decode_query(&bytes[..at]);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let bytes = encode_query(&stats(&[7, 8], &[3, 90, 700]));
    assert_eq!(decode_query(&bytes[..bytes.len() - 1]), Err(Damaged::Short));
    assert_eq!(decode_query(&[&bytes[..], &[0]].concat()), Err(Damaged::Long));
    assert_eq!(decode_query(&[&[9], &bytes[1..]].concat()), Err(Damaged::Version));
    assert_eq!(decode_query(&[]), Err(Damaged::Short));
}

#[test]
fn a_usual_row_is_small() {
    let times: Vec<u64> = (0..30).map(|n| 900 + n * 37 % 400).collect();
    let mut stats = stats(&[], &times);
    (stats.calls, stats.rows, stats.bytes_received, stats.bytes_sent) = (30, 30, 2_000, 9_000);
    stats.cancelled = Spread::default();
    let bytes = encode_query(&stats).len();
    assert!(bytes <= 75, "{bytes}");
}
