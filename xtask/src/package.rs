//! `cargo xtask package`: the Debian package, of crates/pgweir/Cargo.toml's metadata.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::repository::{cargo, root, target};
use crate::step::{output_of, shown, step, succeed};

/// Shells, and what their file is called where they look for it.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "pgweir.bash"), ("zsh", "_pgweir"), ("fish", "pgweir.fish")];

/// What is packaged is built with the most care, see Cargo.toml.
pub(crate) const PROFILE: &str = "dist";

/// Whether the release is built first, or the one that is there is packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    First,
    Done,
}

/// Builds pgweir, lets it write its manual pages and completions, and packs all of it.
pub(crate) fn run(build: Build) -> Result<()> {
    ensure!(
        output_of("cargo-deb", &["--version"]).is_some(),
        "cargo-deb is missing: cargo install cargo-deb --locked"
    );
    if build == Build::First {
        step("build", || {
            succeed(&mut cargo(&["build", "--profile", PROFILE, "--locked", "--package", "pgweir"]))
        })?;
    }
    let program = target().join(PROFILE).join("pgweir");
    // Wherever cargo builds: the metadata names this place.
    let generated = root().join("target/package");
    step("manual and completions", || generate(&program, &generated))?;
    step("package", || {
        let mut pack = Command::new("cargo-deb");
        pack.args(["--no-build", "--profile", PROFILE, "--package", "pgweir", "--output"])
            .arg(&generated);
        // The tables of symbols and lines are most of the program.
        succeed(pack.arg("--strip").current_dir(root()))
    })
}

/// What the program writes about itself, into a new directory.
fn generate(program: &Path, directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    succeed(Command::new(program).arg("manual").arg(directory.join("man")))?;
    for (shell, file) in COMPLETIONS {
        let mut command = Command::new(program);
        command.args(["completions", shell]);
        let output = command.output().with_context(|| format!("starting {}", shown(&command)))?;
        ensure!(output.status.success(), "{}: {}", shown(&command), output.status);
        fs::write(directory.join(file), output.stdout)?;
    }
    Ok(())
}
