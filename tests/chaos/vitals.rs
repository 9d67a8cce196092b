//! What the system says of pgweir's process.

use std::fmt;

/// Memory, file descriptors and processor time of a process; 0 where the system does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    pub(crate) resident_kib: u64,
    /// Of that, what is of no file.
    pub(crate) anonymous_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Vitals {
    pub(crate) fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let entries =
            |of: &str| std::fs::read_dir(format!("/proc/{pid}/{of}")).map_or(0, Iterator::count);
        let (descriptors, threads) = (entries("fd"), entries("task"));
        Self { resident_kib: kib("VmRSS:"), anonymous_kib: kib("RssAnon:"), descriptors, threads }
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB resident, {} file descriptors", self.resident_kib, self.descriptors)
    }
}
