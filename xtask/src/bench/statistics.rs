//! Medians, percentiles, and what a run's transactions say.

use std::collections::BTreeMap;

use super::pgbench::Transaction;

/// The value that half are below; the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*sorted.get(sorted.len() / 2 - 1)?, upper))
}

/// A median and how far the rounds are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// Of the values of several rounds; none of none.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let median = median(values)?;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Self { median, least, most })
    }
}

/// The value that `share` of all are not above (nearest rank), of values in ascending order.
pub(super) fn percentile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// How long transactions took, ascending. With a connection for each, a transaction is all that its
/// client did since its last one.
pub(super) fn latencies(transactions: &[Transaction], connects_each_time: bool) -> Vec<u64> {
    let mut last_end = BTreeMap::new();
    let mut latencies: Vec<u64> = transactions
        .iter()
        .filter_map(|one| {
            let before = last_end.insert(one.client, one.end_us);
            if connects_each_time { Some(one.end_us - before?) } else { Some(one.latency_us) }
        })
        .collect();
    latencies.sort_unstable();
    latencies
}

/// The fewest transactions that a client had, as a share of what clients had in the middle.
pub(super) fn least_share(transactions: &[Transaction], clients: u32) -> Option<f64> {
    let mut counts = BTreeMap::new();
    for one in transactions {
        *counts.entry(one.client).or_insert(0_u32) += 1;
    }
    let mut counts: Vec<f64> = counts.into_values().map(f64::from).collect();
    // Those who had none are not in the log.
    counts.resize(counts.len().max(clients as usize), 0.0);
    let middle = median(&counts)?;
    Some(counts.iter().copied().fold(f64::INFINITY, f64::min) / middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(client: u32, latency_us: u64, end_us: u64) -> Transaction {
        Transaction { client, latency_us, end_us }
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_spread_has_its_ends() {
        let spread = Spread { median: 2.0, least: 1.0, most: 9.0 };
        assert_eq!(Spread::of(&[9.0, 1.0, 2.0]), Some(spread));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn percentiles_are_values_that_were_there() {
        let sorted: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&sorted, 0.5), Some(100));
        assert_eq!(percentile(&sorted, 0.99), Some(198));
        assert_eq!(percentile(&sorted, 1.0), Some(200));
        assert_eq!(percentile(&[7], 0.5), Some(7));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn a_connection_is_part_of_a_transaction_that_makes_one() {
        let log = [transaction(0, 5, 100), transaction(1, 5, 130), transaction(0, 6, 170)];
        assert_eq!(latencies(&log, false), [5, 5, 6]);
        assert_eq!(latencies(&log, true), [70]);
    }

    #[test]
    fn a_client_that_starved_counts() {
        let log = [transaction(0, 1, 1), transaction(1, 1, 1), transaction(1, 1, 2)];
        assert_eq!(least_share(&log, 2), Some(1.0 / 1.5));
        assert_eq!(least_share(&log, 3), Some(0.0));
    }
}
