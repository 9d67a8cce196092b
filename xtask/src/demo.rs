//! `cargo xtask demo`.

use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::repository::cargo;
use crate::setup;
use crate::step::{step, succeed};

/// Builds pgweir and becomes `pgweir demo`: cargo replaces itself by the program, so Ctrl-C and the
/// exit status are the demo's own.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    step("setup", setup::run)?;
    step("build", || succeed(&mut cargo(&["build", "--release", "--package", "pgweir"])))?;
    let mut run = cargo(&["run", "--quiet", "--release", "--package", "pgweir", "--", "demo"]);
    Err(run.args(arguments).exec()).context("starting the demo")
}
