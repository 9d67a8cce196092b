//! Where PostgreSQL's server programs are, and who may run them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// The directory with `initdb` and `postgres`: on the PATH, where `pg_config` says, or where Debian
/// and Homebrew put them, the newest version first.
pub(super) fn find_server_programs() -> anyhow::Result<PathBuf> {
    let mut directories: Vec<PathBuf> = std::env::var_os("PATH")
        .map_or_else(Vec::new, |path| std::env::split_paths(&path).collect());
    directories.extend(pg_config_directory());
    directories.extend(versions(Path::new("/usr/lib/postgresql"), ""));
    for prefix in ["/opt/homebrew/opt", "/usr/local/opt"] {
        directories.extend(versions(Path::new(prefix), "postgresql@"));
    }
    directories.into_iter().find(|directory| is_complete(directory)).context(
        "no PostgreSQL server on this machine: initdb and postgres are neither on the PATH, nor \
         where pg_config, Debian or Homebrew would have them. Install it with `apt-get install \
         postgresql` or `brew install postgresql@17`",
    )
}

fn is_complete(directory: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| directory.join(program).is_file())
}

fn pg_config_directory() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(line.trim()))
}

/// `PARENT/PREFIX<version>/bin`, the highest version first.
fn versions(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, directory)| directory).collect()
}

/// User and group that the server must run as, if not ours: PostgreSQL refuses to run as root.
/// `ours` is a directory that this process has made.
pub(super) fn server_identity(ours: &Path) -> anyhow::Result<Option<(u32, u32)>> {
    if fs::metadata(ours)?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    match postgres_user(&users) {
        Some(identity) => Ok(Some(identity)),
        None => bail!("PostgreSQL does not run as root, and this machine has no user postgres"),
    }
}

fn postgres_user(passwd: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.starts_with("postgres:"))?;
    let mut numbers = line.split(':').skip(2).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_comes_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["postgresql@9", "postgresql@17", "postgresql@15", "libpq", "postgresql@x"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let expected = ["17", "15", "9"]
            .map(|version| parent.path().join(format!("postgresql@{version}")).join("bin"));
        assert_eq!(versions(parent.path(), "postgresql@"), expected);
        assert!(versions(Path::new("/nonexistent"), "").is_empty());
    }

    #[test]
    fn the_postgres_user_is_read_from_passwd() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104:,,,:/var/lib:/bin/sh\n";
        assert_eq!(postgres_user(passwd), Some((101, 104)));
        assert_eq!(postgres_user("root:x:0:0::/root:/bin/sh"), None);
        assert_eq!(postgres_user("postgres:x"), None);
    }
}
