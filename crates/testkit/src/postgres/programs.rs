//! Where the server programs are, and who may run them.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TestkitError;

/// A PostgreSQL installation on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPrograms {
    directory: PathBuf,
}

impl ServerPrograms {
    /// Finds the installation: the PATH first, then what `pg_config` says, then the places where
    /// Debian and Homebrew put it (the newest).
    pub fn find() -> Result<Self, TestkitError> {
        let mut directories = path_directories();
        directories.extend(pg_config_directory());
        directories.extend(versions_below(Path::new("/usr/lib/postgresql"), "", "bin"));
        for prefix in ["/opt/homebrew/opt", "/usr/local/opt"] {
            directories.extend(versions_below(Path::new(prefix), "postgresql@", "bin"));
        }
        let complete = |directory: &PathBuf| {
            directory.join("initdb").is_file() && directory.join("postgres").is_file()
        };
        let directory = directories.into_iter().find(complete);
        let directory =
            directory.ok_or_else(|| TestkitError::ProgramMissing { program: "initdb".into() })?;
        // A link on the PATH tells where the other programs are.
        let real = fs::canonicalize(directory.join("initdb")).ok();
        let real = real.and_then(|program| program.parent().map(Path::to_owned)).filter(complete);
        Ok(Self { directory: real.unwrap_or(directory) })
    }

    /// A program of the installation, e.g. `psql` or `pgbench`; if it is not beside the server, the
    /// one on the PATH.
    pub fn program(&self, name: &str) -> Result<PathBuf, TestkitError> {
        let here = std::iter::once(self.directory.clone());
        here.chain(path_directories())
            .map(|directory| directory.join(name))
            .find(|program| program.is_file())
            .ok_or_else(|| TestkitError::ProgramMissing { program: name.to_owned() })
    }

    /// What `postgres --version` says.
    pub(super) fn version(&self) -> Result<String, TestkitError> {
        let program = self.program("postgres")?;
        let output = Command::new(&program).arg("--version").output();
        let output = output.map_err(TestkitError::io("running postgres --version"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn path_directories() -> Vec<PathBuf> {
    env::var_os("PATH").map_or_else(Vec::new, |path| env::split_paths(&path).collect())
}

fn pg_config_directory() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(line.trim()))
}

/// `PARENT/PREFIX<number>/TAIL`, the highest number first.
fn versions_below(parent: &Path, prefix: &str, tail: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join(tail)))
        })
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.0));
    versions.into_iter().map(|version| version.1).collect()
}

/// The user and the group that PostgreSQL must run as, if not ours: it refuses to run as root.
/// `ours` is a directory that this process has made.
pub(super) fn server_identity(ours: &Path) -> Result<Option<(u32, u32)>, TestkitError> {
    let owner = fs::metadata(ours).map_err(TestkitError::io("reading a directory's owner"))?.uid();
    if owner != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(TestkitError::io("/etc/passwd"))?;
    postgres_user(&users).map(Some).ok_or(TestkitError::NoServerUser)
}

fn postgres_user(passwd: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find_map(|line| line.strip_prefix("postgres:"))?;
    let mut fields = line.split(':').skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_comes_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["9", "17", "15", "other"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let found = versions_below(parent.path(), "", "bin");
        let expected = ["17", "15", "9"].map(|name| parent.path().join(name).join("bin"));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_postgres_user_is_read_from_passwd() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/sh";
        assert_eq!(postgres_user(passwd), Some((101, 104)));
        assert_eq!(postgres_user("root:x:0:0::/root:/bin/sh"), None);
    }
}
