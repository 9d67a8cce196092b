//! Notes what pgweir is built of, for `pgweir --version`.
//!
//! The same sources, toolchain and environment give the same notes: no clock is read.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["SOURCE_COMMIT", "SOURCE_DATE_EPOCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    note("COMMIT", commit().as_deref());
    note("EPOCH", set("SOURCE_DATE_EPOCH").as_deref());
    note("RUSTC", rustc().as_deref());
    note("TARGET", set("TARGET").as_deref());
    note("PROFILE", set("PROFILE").as_deref());
    let locked = root().join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", locked.display());
    let locked = fs::read_to_string(locked).unwrap_or_default();
    note("RUSTLS", version_in(&locked, "rustls"));
    note("RING", version_in(&locked, "ring"));
}

/// What is not known is empty.
fn note(name: &str, value: Option<&str>) {
    println!("cargo::rustc-env=BUILT_{name}={}", value.unwrap_or_default().trim());
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The workspace.
fn root() -> PathBuf {
    let here = PathBuf::from(set("CARGO_MANIFEST_DIR").unwrap_or_default());
    here.ancestors().nth(2).map_or_else(PathBuf::new, Path::to_owned)
}

/// The commit that a packager names or, for what is released, the one that is checked out.
///
/// Other builds do not ask: they would be done again after each commit.
fn commit() -> Option<String> {
    set("SOURCE_COMMIT").or_else(|| {
        let asked = set("PROFILE").is_some_and(|profile| profile == "release");
        asked.then(checked_out).flatten()
    })
}

/// `None` where the sources are not a repository of their own, as when they come from an archive.
fn checked_out() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if fs::canonicalize(top).ok()? != fs::canonicalize(root()).ok()? {
        return None;
    }
    // Each commit adds a line to it, whichever branch it is on.
    let log = root().join(git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    println!("cargo::rerun-if-changed={}", log.display());
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    printed(Command::new("git").args(arguments).current_dir(root()))
}

/// Such as `rustc 1.95.0 (59807616e 2026-04-14)`.
fn rustc() -> Option<String> {
    printed(Command::new(env::var_os("RUSTC")?).arg("--version"))
}

/// What a command prints, or `None` if it is missing or fails.
fn printed(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The version of a package in a Cargo.lock.
fn version_in<'a>(locked: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = locked.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split_once('"').map(|(version, _)| version)
}
