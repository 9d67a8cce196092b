//! `pgweir advise`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::settings;

/// What the advice looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AdviceFormat {
    /// For people.
    #[default]
    Text,
    /// For a ticket.
    Markdown,
    /// For programs: schema `pgweir.advice/1`.
    Json,
}

/// What `pgweir advise` takes. Not `Debug`: the URLs may hold passwords.
#[derive(Args, Clone)]
#[command(after_help = "\
The server is asked for plans with imagined indexes (extension hypopg); nothing is executed and \
nothing is changed. Without HypoPG the advice rests on plans and statistics, and says so.

FILE holds SQL statements that end with a semicolon. Comment lines before one tell of it:
  -- name: cart          how it is called in the advice
  -- weight: 120         how often it runs, as against the others [1]
  -- ms: 35.2            what one call takes, where that was measured
or it holds a JSON object a line: {\"sql\": \"SELECT …\", \"name\": \"cart\", \"weight\": 120, \"ms\": 35.2}.
Without a file, the running pgweir tells what it measured.

Examples:
  pgweir advise postgres://app@db.internal/shop --index-budget 500MB
  pgweir advise postgres://app@db.internal/shop --workload queries.sql --format markdown")]
pub struct AdviseArguments {
    /// The database's server, not pgweir: indexes are imagined in a session of its own.
    #[arg(value_name = "URL", env = "PGWEIR_UPSTREAM", hide_env_values = true)]
    pub url: String,

    /// Statements with weights, instead of live traffic.
    #[arg(long, value_name = "FILE")]
    pub workload: Option<PathBuf>,

    /// All new indexes together take no more than this, such as 500MB or 2GB [default: no limit].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub index_budget: Option<u64>,

    /// An index must save at least this percentage of the workload's cost.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.3, value_parser = percentage)]
    pub least_gain: f64,

    /// How long to search.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub time_limit: Duration,

    /// Count HypoPG's own sizes against the budget. It overstates B-trees, which is put right
    /// otherwise.
    #[arg(long)]
    pub hypopg_sizes: bool,

    /// What the advice looks like.
    #[arg(long, value_enum, default_value_t)]
    pub format: AdviceFormat,

    /// Write to this file, not to the terminal.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// The running pgweir's admin console [default: the pgweir of this machine and user, else
    /// postgres://127.0.0.1:6432/pgweir].
    #[arg(long, value_name = "URL", env = "PGWEIR_ADMIN", hide_env_values = true)]
    pub admin: Option<String>,

    /// How far to look back in live traffic.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub since: Duration,

    /// An earlier advice as JSON: which of its indexes exist by now, and what the statements that
    /// they were for take since.
    #[arg(long, value_name = "FILE")]
    pub earlier: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    settings::parse_duration(text)
}

fn percentage(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err("must be a number from 0 to 100".to_owned()),
    }
}

/// Bytes, with PostgreSQL's units: `kB` is 1024 bytes, `MB` 1024 of those, and so on.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 6] =
        [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("tb", 1 << 40), ("b", 1), ("", 1)];
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    match (number.parse::<f64>(), factor) {
        (Ok(number), Some(factor)) if number > 0.0 && number.is_finite() => {
            Ok((number * factor as f64) as u64)
        }
        _ => Err("must be a size such as 500MB or 2GB".to_owned()),
    }
}
