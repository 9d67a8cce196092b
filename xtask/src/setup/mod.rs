//! `cargo xtask setup`: installs what this machine lacks.

mod machine;
mod plan;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{output_of, shown, succeed};
use machine::Found;
use plan::{PackageManager, Plan};

/// The oldest PostgreSQL that the tests and the demo run on.
const OLDEST: u32 = 13;

/// Changes nothing and needs no network when all is there.
pub(crate) fn run() -> Result<()> {
    toolchain()?;
    let manager = PackageManager::of_this_machine();
    let plan = plan::plan(&Found::look(), manager);
    match &plan {
        Plan::Nothing => return Ok(()),
        Plan::Impossible(advice) => bail!("{advice}"),
        Plan::Install(packages) => install(manager, packages)?,
        Plan::Offer(packages) => offer(manager, packages),
    }
    // A fresh server has a version only now, and the extension's package is named after it.
    match plan::plan(&Found::look(), manager) {
        Plan::Install(packages) => {
            bail!("{} did not bring what was missing", packages.join(" "))
        }
        Plan::Impossible(advice) => bail!("{advice}"),
        Plan::Offer(packages) if matches!(plan, Plan::Install(_)) => offer(manager, &packages),
        Plan::Offer(_) | Plan::Nothing => {}
    }
    Ok(())
}

/// Where PostgreSQL's server programs are, if they are installed.
pub(crate) fn server_programs() -> Option<PathBuf> {
    machine::server_directory()
}

/// rustfmt and clippy, which a minimal toolchain has not.
fn toolchain() -> Result<()> {
    let here = |tool: &str| output_of("cargo", &[tool, "--version"]).is_some();
    if here("fmt") && here("clippy") {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["component", "add", "rustfmt", "clippy"]);
    if succeed(&mut add).is_err() {
        bail!("rustfmt and clippy are needed: install them with `{}`", shown(&add));
    }
    Ok(())
}

/// Installs packages that everything else needs.
fn install(manager: PackageManager, packages: &[String]) -> Result<()> {
    eprintln!("installing {}", packages.join(" "));
    let mut install = manager.install(packages);
    if succeed(&mut install).is_ok() {
        return Ok(());
    }
    // apt-get knows no package, or an outdated version, until it has read the lists.
    if let Some(mut update) = manager.update() {
        succeed(&mut update)?;
        return succeed(&mut install);
    }
    bail!("`{}` failed: install {} by hand", shown(&install), packages.join(" "))
}

/// Installs packages of Debian that are not there, each on its own and as far as that is possible;
/// with another package manager their programs have to be there already.
pub(crate) fn offer_each<'a>(packages: impl Iterator<Item = &'a str>) {
    let manager = PackageManager::of_this_machine();
    if manager != PackageManager::Apt {
        return;
    }
    let installed = |name: &str| {
        let status = output_of("dpkg-query", &["-W", "-f", "${Status}", name]);
        status.is_some_and(|status| status.ends_with(" installed"))
    };
    for name in packages.filter(|name| !installed(name)) {
        offer(manager, &[name.to_owned()]);
    }
}

/// Installs packages that only improve the demo and the tests; goes on without them.
fn offer(manager: PackageManager, packages: &[String]) {
    // What the lists do not name cannot be installed: not worth an attempt on every run.
    if manager == PackageManager::Apt
        && !packages.iter().all(|name| output_of("apt-cache", &["show", name]).is_some())
    {
        return;
    }
    eprintln!("installing {} (optional)", packages.join(" "));
    if succeed(&mut manager.install(packages)).is_err() {
        eprintln!("going on without {}", packages.join(" "));
    }
}
