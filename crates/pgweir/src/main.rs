//! pgweir: a PostgreSQL connection pooler that says which queries hurt, why, and what to do.

use std::process::ExitCode;

use clap::Parser;
use pgweir::cli::{Cli, Command};
use pgweir::{advise, check, demo, run};
use tikv_jemallocator::Jemalloc;

/// What is given back goes to the system again: what a busy hour has needed is not kept for ever, as
/// the C library does where something small lies behind it. SQLite, which is written in C, uses it too.
/// `.cargo/config.toml` says how it is tuned.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[expect(clippy::print_stderr, reason = "the last word of a command that failed")]
fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => run::block_on(check::run(&arguments)),
        Command::Takeover(arguments) => {
            run::block_on(arguments.execute(&mut std::io::stdout().lock()))
        }
        Command::Report(arguments) => run::block_on(arguments.execute()),
        Command::Advise(arguments) => run::block_on(advise::run(&arguments)),
        Command::Demo(arguments) => run::block_on(demo::run(&arguments)),
        Command::Fingerprint(arguments) => {
            arguments.execute(&mut std::io::BufWriter::new(std::io::stdout().lock()))
        }
        Command::Settings(arguments) => {
            arguments.execute(&mut std::io::stdout().lock()).map_err(Into::into)
        }
        Command::Metrics(arguments) => {
            arguments.execute(&mut std::io::stdout().lock()).map_err(Into::into)
        }
        Command::Completions(arguments) => {
            arguments.execute(&mut std::io::stdout().lock()).map_err(Into::into)
        }
        Command::Manual(arguments) => arguments.execute(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pgweir: {}", words(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and what has caused it, each said once: some name their cause themselves.
fn words(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !said.contains(&cause) {
            let colon = if said.is_empty() { "" } else { ": " };
            said = said + colon + &cause;
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let file = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = anyhow::Error::from(file()).context("/a/file: entity not found");
        assert_eq!(words(&error), "/a/file: entity not found");
        let error = anyhow::Error::from(file()).context("cannot read /a/file");
        assert_eq!(words(&error), "cannot read /a/file: entity not found");
    }
}
