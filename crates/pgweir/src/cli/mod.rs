//! The command line: what may be typed, and the commands that need no running proxy of their own.

mod admin;
mod advise;
mod built;
mod check;
mod completions;
mod demo;
mod fingerprint;
mod manual;
mod metrics;
mod report;
mod run;
mod settings;
mod stored;
mod takeover;

use clap::{Parser, Subcommand};

pub use admin::{AdminConsole, AdminError};
pub(crate) use advise::size as parse_size;
pub use advise::{AdviceFormat, AdviseArguments};
pub use check::CheckArguments;
pub use completions::CompletionsArguments;
pub use demo::DemoArguments;
pub use fingerprint::{FingerprintArguments, FingerprintFormat};
pub use manual::ManualArguments;
pub use metrics::MetricsArguments;
pub(crate) use report::{DEFAULT_ADMIN, colour_wanted, print};
pub use report::{ReportArguments, ReportFormat};
pub use run::RunArguments;
pub use settings::SettingsArguments;
pub use takeover::TakeoverArguments;

/// `pgweir …`. Not `Debug`: a URL among the arguments may hold a password.
#[derive(Parser)]
#[command(
    name = "pgweir",
    version,
    long_version = built::with(),
    about = "A PostgreSQL connection pooler that says which queries hurt, why, and what to do.",
    after_help = "Examples:
  pgweir run postgres://app:secret@db.internal/shop
  pgweir check -c /etc/pgbouncer/pgbouncer.ini
  pgweir report --since 15m
  pgweir advise postgres://app:secret@db.internal/shop --index-budget 500MB
  pgweir demo"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Pool connections to a server, and measure every statement.
    Run(Box<RunArguments>),
    /// Say what the settings come to, and whether the servers let pgweir in.
    Check(Box<CheckArguments>),
    /// Let a running pgweir be succeeded by the program that is now at its place, and lose nobody.
    Takeover(TakeoverArguments),
    /// Print what a running pgweir found.
    Report(Box<ReportArguments>),
    /// Say which indexes to build and which to drop, for live traffic or a file of statements.
    Advise(Box<AdviseArguments>),
    /// Show all of it on a throwaway server: traffic, report, fixes, before and after.
    Demo(DemoArguments),
    /// Tell which statements are the same but for their values.
    Fingerprint(FingerprintArguments),
    /// List the settings.
    Settings(SettingsArguments),
    /// List the metrics.
    Metrics(MetricsArguments),
    /// Print what a shell needs to complete pgweir's commands and flags.
    Completions(CompletionsArguments),
    /// Write the manual pages, pgweir.1 and one for each command.
    #[command(hide = true)]
    Manual(ManualArguments),
}

#[cfg(test)]
mod tests;
