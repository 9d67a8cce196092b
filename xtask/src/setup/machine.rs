//! What this machine has.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::step::output_of;

/// What was found of PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The server's major version, if there is a server with its `initdb`.
    pub(crate) server: Option<u32>,
    /// `psql` and `pgbench`, beside the server or on the PATH.
    pub(crate) clients: bool,
    /// The extension HypoPG.
    pub(crate) hypopg: bool,
}

impl Found {
    /// Looks where the test kit and the demo look, in their order.
    pub(crate) fn look() -> Self {
        let Some(directory) = server_directory() else {
            return Self::default();
        };
        let version = output_of(directory.join("postgres"), &["--version"]);
        let server = version.as_deref().and_then(major_version);
        let on_path = path_directories();
        let has = |name: &str| {
            directory.join(name).is_file() || on_path.iter().any(|path| path.join(name).is_file())
        };
        Self {
            server,
            clients: has("psql") && has("pgbench"),
            hypopg: share_directories(&directory, server)
                .iter()
                .any(|share| share.join("extension/hypopg.control").is_file()),
        }
    }
}

/// Where the server's programs are.
pub(super) fn server_directory() -> Option<PathBuf> {
    let mut directories = path_directories();
    directories.extend(output_of("pg_config", &["--bindir"]).map(PathBuf::from));
    directories.extend(versions_below(Path::new("/usr/lib/postgresql"), ""));
    for prefix in ["/opt/homebrew/opt", "/usr/local/opt"] {
        directories.extend(versions_below(Path::new(prefix), "postgresql@"));
    }
    let found = directories.into_iter().find(|directory| {
        directory.join("initdb").is_file() && directory.join("postgres").is_file()
    })?;
    // A link on the PATH tells where the installation is.
    let real = fs::canonicalize(found.join("initdb")).ok();
    real.and_then(|program| program.parent().map(Path::to_owned)).or(Some(found))
}

fn path_directories() -> Vec<PathBuf> {
    env::var_os("PATH").map_or_else(Vec::new, |path| env::split_paths(&path).collect())
}

/// `PARENT/PREFIX<number>/bin`, the highest number first.
fn versions_below(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.strip_prefix(prefix)?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.0));
    versions.into_iter().map(|version| version.1).collect()
}

/// Where extensions are: Debian's place, then what the installation's own `pg_config` says.
fn share_directories(programs: &Path, server: Option<u32>) -> Vec<PathBuf> {
    let debian = server.map(|major| PathBuf::from(format!("/usr/share/postgresql/{major}")));
    let own = output_of(programs.join("pg_config"), &["--sharedir"]).map(PathBuf::from);
    debian.into_iter().chain(own).collect()
}

/// 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_version(version: &str) -> Option<u32> {
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_postgres_prints_them() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0)"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_version("postgres: command not found"), None);
    }

    #[test]
    fn the_newest_installation_comes_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["postgresql@9", "postgresql@17", "postgresql@15", "openssl@3"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let found = versions_below(parent.path(), "postgresql@");
        let names = ["postgresql@17", "postgresql@15", "postgresql@9"];
        assert_eq!(found, names.map(|name| parent.path().join(name).join("bin")));
    }
}
