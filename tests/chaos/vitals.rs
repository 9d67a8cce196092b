//! What the system says of pgweir's process.

use std::fmt;

/// Memory, file descriptors and processor time of a process; 0 where the system does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Vitals {
    pub(crate) fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let value = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let entries =
            |of: &str| std::fs::read_dir(format!("/proc/{pid}/{of}")).map_or(0, Iterator::count);
        let (descriptors, threads) = (entries("fd"), entries("task"));
        Self { resident_kib: value.unwrap_or(0), descriptors, threads }
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB resident, {} file descriptors", self.resident_kib, self.descriptors)
    }
}
