//! `pgweir demo`.

use clap::Args;

use super::report::ReportFormat;

/// What `pgweir demo` takes.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Needs the server programs of PostgreSQL 13 or later (initdb, postgres) on this machine; they need not \
be on the PATH. Takes about three minutes. Ctrl-C ends it at any time and leaves nothing behind.

Examples:
  pgweir demo
  pgweir demo --keep
  pgweir demo --clients 100 --seconds 30 --format json")]
pub struct DemoArguments {
    /// Leave server, pgweir and traffic running at the end, until Ctrl-C.
    #[arg(long)]
    pub keep: bool,

    /// Client connections.
    #[arg(long, value_name = "N", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(10..=5_000))]
    pub clients: u32,

    /// Traffic before the report, in seconds.
    #[arg(long, value_name = "N", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(10..=3_600))]
    pub seconds: u64,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,

    /// No colour; also off where NO_COLOR is set or the output is no terminal.
    #[arg(long)]
    pub no_color: bool,
}
