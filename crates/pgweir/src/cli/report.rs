//! `pgweir report`.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use report::Report;
use report::render::{self, Style};

use super::admin::AdminConsole;
use crate::run::local_admin;
use crate::settings;

/// Where pgweir listens unless told otherwise.
pub(crate) const DEFAULT_ADMIN: &str = "postgres://127.0.0.1:6432/pgweir";

/// What a report looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: schema `pgweir.report/1`.
    Json,
}

impl ReportFormat {
    /// The report in this format, with a line end.
    ///
    /// # Errors
    /// What serde_json says.
    pub fn render(self, report: &Report, style: Style) -> anyhow::Result<String> {
        Ok(match self {
            Self::Text => render::text(report, style),
            Self::Json => render::json(report)?,
        })
    }
}

/// What `pgweir report` takes. Not `Debug`: the URL may hold a password.
#[derive(Args, Clone)]
#[command(after_help = "\
A pgweir that runs as the same user on this machine is found by itself. Elsewhere, --admin names it:
the user must be one of admin_users or stats_users, and the password may come from PGPASSWORD.

Examples:
  pgweir report
  pgweir report --since 5m --top 5
  pgweir report --admin postgres://app@db.internal:6432 --format json --output report.json")]
pub struct ReportArguments {
    /// The running pgweir's admin console [default: the pgweir of this machine and user, else
    /// postgres://127.0.0.1:6432/pgweir].
    #[arg(long, value_name = "URL", env = "PGWEIR_ADMIN", hide_env_values = true)]
    pub admin: Option<String>,

    /// How far to look back; whole minutes are taken.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub since: Duration,

    /// What the report looks like.
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,

    /// Write to this file, not to the terminal.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Statements to list.
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub top: u32,

    /// No colour; also off where NO_COLOR is set or the output is no terminal.
    #[arg(long)]
    pub no_color: bool,
}

impl ReportArguments {
    /// Fetches the report and writes it. Cancel-safe: a file is written whole or not at all, since
    /// nothing is awaited in between.
    ///
    /// # Errors
    /// When pgweir cannot be reached or refuses, and when the output cannot be written.
    pub async fn execute(&self) -> anyhow::Result<()> {
        let found = self.admin.clone().or_else(local_admin::find);
        let url = found.as_deref().unwrap_or(DEFAULT_ADMIN);
        let console = AdminConsole::connect(url).await?;
        let report = console.report(self.since, self.top).await?;
        let style = Style {
            colour: self.output.is_none() && colour_wanted(self.no_color),
            ..Style::default()
        };
        let text = self.format.render(&report, style)?;
        match &self.output {
            Some(file) => {
                fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
            }
            None => print(&mut io::stdout().lock(), &text),
        }
    }
}

/// Writes all of `text`; a reader that has seen enough (`| head`) is no error.
pub(crate) fn print(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Whether standard output gets colours: a terminal, and neither the flag nor NO_COLOR (no-color.org:
/// set and not empty) says no.
pub(crate) fn colour_wanted(refused: bool) -> bool {
    colour(refused, std::env::var_os("NO_COLOR").as_deref(), io::stdout().is_terminal())
}

pub(super) fn colour(refused: bool, no_color: Option<&OsStr>, terminal: bool) -> bool {
    terminal && !refused && no_color.is_none_or(OsStr::is_empty)
}

fn duration(text: &str) -> Result<Duration, String> {
    settings::parse_duration(text)
}
