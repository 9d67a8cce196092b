//! A PgBouncer that knows prepared statements in transaction mode: 1.21 or newer does. What a system
//! has may be older; then one is built from its sources and kept under `target/bench`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::server::quietly;
use crate::setup;
use crate::step::{output_of, step};

/// The first version that is compared with.
const WANTED: (u32, u32) = (1, 24);

/// What is built where there is no newer one.
const VERSION: &str = "1.24.1";
/// SHA-256 of its tarball, as the release announces it.
const TARBALL_SHA256: &str = "da72a3aba13072876d055a3e58dd4aba4a5de4ed6148e73033185245598fd3e0";

/// Debian's packages that the build needs.
const PACKAGES: &[&str] =
    &["libevent-dev", "libssl-dev", "libc-ares-dev", "pkg-config", "build-essential", "curl"];

/// Finds one, or builds it; the last resort is the system's own, however old it is.
pub(super) fn find(named: Option<&Path>, target: &Path) -> Result<PathBuf> {
    if let Some(path) = named {
        version(path).with_context(|| format!("{} is no PgBouncer", path.display()))?;
        return Ok(path.to_owned());
    }
    let system = PathBuf::from("pgbouncer");
    if version(&system).is_some_and(|version| version >= WANTED) {
        return Ok(system);
    }
    let built = target.join(format!("pgbouncer-{VERSION}/pgbouncer"));
    if version(&built).is_some() {
        return Ok(built);
    }
    match step("building PgBouncer", || build(target)) {
        Ok(()) => Ok(built),
        Err(error) if version(&system).is_some() => {
            eprintln!("{error:#}; going on with the system's older one");
            Ok(system)
        }
        Err(error) => Err(error.context("no PgBouncer; name one by --pgbouncer PATH")),
    }
}

fn build(target: &Path) -> Result<()> {
    setup::offer_each(PACKAGES.iter().copied());
    fs::create_dir_all(target)?;
    let source = target.join(format!("pgbouncer-{VERSION}"));
    // Half of an earlier build is worth nothing.
    if source.exists() {
        fs::remove_dir_all(&source)?;
    }
    let tarball = tarball(target)?;
    quietly(Command::new("tar").arg("-xzf").arg(&tarball).arg("-C").arg(target))?;
    quietly(Command::new("./configure").arg("--without-systemd").current_dir(&source))?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    quietly(Command::new("make").args(["-j", &jobs, "pgbouncer"]).current_dir(&source))
}

/// From the project itself, or from Debian's sources where only a mirror can be reached.
fn tarball(target: &Path) -> Result<PathBuf> {
    let name = format!("pgbouncer-{VERSION}.tar.gz");
    let tarball = target.join(&name);
    let pool = "https://deb.debian.org/debian/pool/main/p/pgbouncer";
    let places = [
        format!("https://www.pgbouncer.org/downloads/files/{VERSION}/{name}"),
        format!("{pool}/pgbouncer_{VERSION}.orig.tar.gz"),
    ];
    let mut whys = Vec::new();
    for place in places {
        let mut curl = Command::new("curl");
        curl.args(["--fail", "--location", "--silent", "--show-error", "--max-time", "120"]);
        match quietly(curl.arg("--output").arg(&tarball).arg(&place)).and_then(|()| check(&tarball))
        {
            Ok(()) => return Ok(tarball),
            Err(error) => whys.push(format!("{error:#}")),
        }
    }
    bail!("PgBouncer's sources cannot be had: {}", whys.join("; "))
}

/// What is compiled and run is what was released.
fn check(tarball: &Path) -> Result<()> {
    let path = tarball.to_string_lossy();
    let sum = output_of("sha256sum", &[&path])
        .or_else(|| output_of("shasum", &["-a", "256", &path]))
        .context("neither sha256sum nor shasum is there")?;
    ensure!(sum.starts_with(TARBALL_SHA256), "{path} is not what was released: {sum}");
    Ok(())
}

/// The version of a PgBouncer, if it is one.
fn version(program: &Path) -> Option<(u32, u32)> {
    read_version(&output_of(program, &["--version"])?)
}

/// (1, 24) of `PgBouncer 1.24.1`.
fn read_version(text: &str) -> Option<(u32, u32)> {
    let number = text.lines().next()?.strip_prefix("PgBouncer ")?;
    let mut parts = number.split('.').map(|part| part.trim().parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_pgbouncer_prints_them() {
        assert_eq!(read_version("PgBouncer 1.24.1\nlibevent 2.1.12"), Some((1, 24)));
        assert_eq!(read_version("PgBouncer 1.9.0"), Some((1, 9)));
        assert_eq!(read_version("pgbouncer: not found"), None);
        assert!((1, 9) < WANTED);
    }
}
