//! Where throwaway files go.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::TestkitError;

/// Linux's directory in memory. A cluster and a database are some hundreds of small files each: on
/// a virtual disk a database takes 250 ms, here 20 ms.
const MEMORY: &str = "/dev/shm";
/// What must be free there; containers often have only 64 MB of it.
const ENOUGH_KIB: u64 = 4 << 20;

/// The parent of all throwaway directories: memory where there is enough of it, and `TMPDIR` does
/// not ask for something else; the system's temporary directory otherwise.
pub(crate) fn parent() -> PathBuf {
    let memory = Path::new(MEMORY);
    if env::var_os("TMPDIR").is_none() && free_kib(memory).is_some_and(|free| free >= ENOUGH_KIB) {
        memory.to_owned()
    } else {
        env::temp_dir()
    }
}

/// A new directory that only we can read; its name begins with `pgweir-testkit-PURPOSE-`.
pub(crate) fn directory(purpose: &str) -> Result<TempDir, TestkitError> {
    let prefix = format!("pgweir-testkit-{purpose}-");
    let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent());
    made.map_err(TestkitError::io("making a directory"))
}

/// What `df` says; `None` where there is no such directory.
fn free_kib(directory: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(directory).output().ok()?;
    available(&String::from_utf8_lossy(&output.stdout))
}

/// POSIX fixes the columns of `df -P`: the fourth is what is available.
fn available(df: &str) -> Option<u64> {
    df.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_available_space_is_read_from_df() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                  tmpfs 65536 12 65524 1% /dev/shm\n";
        assert_eq!(available(df), Some(65524));
        assert_eq!(available(""), None);
    }

    #[test]
    fn directories_are_made_below_the_parent() {
        let made = directory("test").unwrap();
        assert_eq!(made.path().parent(), Some(parent().as_path()));
    }
}
