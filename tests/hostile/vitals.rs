//! What the system says of pgweir's process.

use testkit::Proxy;

/// Open file descriptors; none where the system does not say.
pub(crate) fn file_descriptors(proxy: &Proxy) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{}/fd", proxy.pid())).ok()?.count())
}

/// Resident memory in KiB; none where the system does not say.
pub(crate) fn resident_kib(proxy: &Proxy) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
