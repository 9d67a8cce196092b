//! `cargo xtask conformance`: real drivers through transaction mode.

use anyhow::Result;

use crate::repository::cargo;
use crate::setup;
use crate::step::{output_of, step, succeed};

/// Packages of Debian, each with the program that makes it needless, if there is one. A driver whose
/// packages cannot be had is not run, and the table says so.
const PACKAGES: &[(Option<&str>, &str)] = &[
    (Some("javac"), "default-jdk-headless"),
    (None, "libpostgresql-jdbc-java"),
    (Some("node"), "nodejs"),
    (Some("npm"), "npm"),
    (Some("php"), "php-cli"),
    (None, "php-pgsql"),
    (None, "ruby-pg"),
    (None, "ruby-activerecord"),
    (Some("go"), "golang-go"),
    (None, "golang-github-jackc-pgx-v4-dev"),
];

/// Installs, builds, and runs the matrix of tests/conformance. Arguments that are not flags choose
/// the drivers whose names contain them; `--release` builds pgweir so.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|one| one.starts_with('-'));
    step("setup", setup::run)?;
    step("drivers' packages", || {
        let missing = PACKAGES.iter().filter(|(program, _)| program.is_none_or(|name| !runs(name)));
        setup::offer_each(missing.map(|(_, package)| *package));
        Ok(())
    })?;
    let mut matrix = cargo(&["test", "--package", "pgweir", "--test", "conformance"]);
    matrix.args(flags).args(["--", "--matrix"]).args(names);
    step("matrix", || succeed(&mut matrix))
}

fn runs(program: &str) -> bool {
    ["--version", "version"].iter().any(|argument| output_of(program, &[argument]).is_some())
}
