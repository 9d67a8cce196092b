//! What the system says of this process.

use std::fs;
use std::time::Duration;

use http::Resources;
use rustix::time::{ClockId, clock_gettime};

use super::file_limit;

/// Now; what the system does not tell is none.
pub(super) fn now() -> Resources {
    Resources {
        cpu: processor_time(),
        resident_memory_bytes: resident_memory(),
        open_files: open_files(),
        open_files_limit: file_limit::files(),
    }
}

fn processor_time() -> Option<Duration> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

/// The second number of `/proc/self/statm` (proc(5)), pages.
fn resident_memory() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// From Linux 6.2 on the directory's size is their number; before, and elsewhere, they are counted.
fn open_files() -> Option<u64> {
    const DIRECTORY: &str = "/proc/self/fd";
    match fs::metadata(DIRECTORY).ok()?.len() {
        0 => Some(fs::read_dir(DIRECTORY).ok()?.count() as u64),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_all_of_it() {
        let before = now();
        let more: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let after = now();
        assert!(before.cpu.is_some_and(|cpu| cpu > Duration::ZERO && Some(cpu) <= after.cpu));
        assert!(before.resident_memory_bytes.is_some_and(|bytes| bytes > 500_000));
        assert!(after.open_files.zip(before.open_files).is_some_and(|(a, b)| a >= b.min(3) + 50));
        drop(more);
    }
}
