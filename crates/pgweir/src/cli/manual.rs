//! `pgweir manual`, for packagers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};

use super::Cli;

/// What `pgweir manual` takes.
#[derive(Args, Clone, Debug)]
pub struct ManualArguments {
    /// The directory to write to; it is made if it is not there.
    pub directory: PathBuf,
}

impl ManualArguments {
    /// Writes pgweir.1, and pgweir-COMMAND.1 for each command that is shown.
    ///
    /// # Errors
    /// When a file cannot be written, and why.
    pub fn execute(&self) -> Result<()> {
        write(&self.directory).with_context(|| format!("writing to {}", self.directory.display()))
    }
}

fn write(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    // The version alone: a page is the same wherever it is made.
    let command = Cli::command().long_version(None::<&str>).disable_help_subcommand(true);
    clap_mangen::generate_to(command, directory)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page_that_names_its_flags() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        let page = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(page("pgweir.1").contains("pgweir\\-run(1)"), "{}", page("pgweir.1"));
        let command = Cli::command();
        for shown in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            let page = page(&format!("pgweir-{}.1", shown.get_name()));
            for argument in shown.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let Some(long) = argument.get_long() else { continue };
                assert!(page.contains(&long.replace('-', "\\-")), "--{long} in {page}");
            }
        }
        assert!(!directory.path().join("pgweir-manual.1").exists());
    }
}
