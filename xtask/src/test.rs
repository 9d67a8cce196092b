//! `cargo xtask test`: everything that must hold before a commit.

use std::process::Command;

use anyhow::Result;

use crate::repository::{cargo, root};
use crate::step::{output_of, step, succeed};
use crate::{bench, docs, setup, tidy};

/// The quick steps come first, so that a slip is told soon.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    step("setup", setup::run)?;
    step("formatting", || succeed(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("tidy", tidy::run)?;
    step("clippy", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        succeed(&mut plain(cargo(&clippy)))
    })?;
    step("documentation", || {
        let mut doc = plain(cargo(&["doc", "--workspace", "--no-deps", "--quiet"]));
        succeed(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("generated pages", || docs::run(docs::Mode::Check))?;
    if output_of("cargo-deny", &["--version"]).is_some() {
        step("licences and advisories", || {
            succeed(Command::new("cargo-deny").arg("check").current_dir(root()))
        })?;
    }
    step("instructions", bench::guard)?;
    step("tests", || succeed(plain(cargo(&["test", "--workspace"])).args(arguments)))?;
    eprintln!("All is well.");
    Ok(())
}

/// On a machine that is thrown away, what speeds up the next build is wasted.
fn plain(mut command: Command) -> Command {
    if std::env::var_os("CI").is_some() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}
