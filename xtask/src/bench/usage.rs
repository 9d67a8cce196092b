//! What a process has used: processor time, memory. From Linux' /proc; elsewhere nothing is known.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often the processor time is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// Processor time that a process had used at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Microseconds since 1970, as pgbench's log counts.
    pub(super) at_us: u64,
    /// Processor time of all threads, kernel and user, in nanoseconds.
    pub(super) cpu_ns: u64,
}

/// Looks again and again until `stop`.
pub(super) fn watch(pid: u32, stop: &AtomicBool) -> Vec<Reading> {
    let mut readings = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        readings.extend(cpu_ns(pid).map(|cpu_ns| Reading { at_us: now_us(), cpu_ns }));
        std::thread::sleep(INTERVAL);
    }
    readings
}

/// The first and the last reading within a span, if it has two.
pub(super) fn within(
    readings: &[Reading],
    from_us: u64,
    until_us: u64,
) -> Option<(Reading, Reading)> {
    let mut inside = readings.iter().filter(|one| (from_us..=until_us).contains(&one.at_us));
    Some((*inside.next()?, *inside.next_back()?))
}

pub(super) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Processor time of all threads. The scheduler's own count is in nanoseconds; ticks of 10 ms, which
/// all systems have, would be too coarse.
fn cpu_ns(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        // A thread may end while we look.
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        sum += text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    if sum > 0 {
        return Some(sum);
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(ticks(&stat)? * 10_000_000)
}

/// `utime` and `stime` of a line of /proc/PID/stat: the 14th and 15th field. The second, the name,
/// may have blanks and parentheses. A tick is 10 ms on every Linux there is.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Resident memory.
pub(super) fn resident_kib(pid: u32) -> Option<u64> {
    resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194304 100 0 0 0 37 5 0 0 20 0 4 0 99";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("12 (a"), None);
    }

    #[test]
    fn resident_memory_is_read() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    5120 kB\nThreads:\t2\n"), Some(5120));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[test]
    fn a_span_has_its_first_and_last_reading() {
        let at = |at_us| Reading { at_us, cpu_ns: at_us * 2 };
        let readings = [at(1), at(5), at(7), at(9), at(20)];
        assert_eq!(within(&readings, 4, 10), Some((at(5), at(9))));
        assert_eq!(within(&readings, 8, 10), None);
    }
}
