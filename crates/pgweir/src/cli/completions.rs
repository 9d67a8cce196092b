//! `pgweir completions`.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

/// What `pgweir completions` takes.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  pgweir completions bash > ~/.local/share/bash-completion/completions/pgweir
  pgweir completions fish > ~/.config/fish/completions/pgweir.fish
  pgweir completions zsh > \"${fpath[1]}/_pgweir\"

The Debian package installs those of bash, zsh and fish.")]
pub struct CompletionsArguments {
    /// The shell.
    pub shell: Shell,
}

impl CompletionsArguments {
    /// Prints the shell's script to `out`.
    ///
    /// # Errors
    /// What writing says.
    pub fn execute(&self, out: &mut impl Write) -> io::Result<()> {
        // In memory first: what generates it panics where writing fails, as to a closed pipe.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "pgweir", &mut script);
        out.write_all(&script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_flag_that_is_shown_is_completed() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            CompletionsArguments { shell }.execute(&mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            for word in ["takeover", "completions", "default-pool-size", "index-budget"] {
                assert!(script.contains(word), "{word} for {shell}");
            }
        }
    }
}
