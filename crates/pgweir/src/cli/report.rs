//! `pgweir report`.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use report::render::{self, Style};
use report::{FingerprintPrefix, Moment, Report, ReportOptions, Sort, Tag};

use super::admin::AdminConsole;
use crate::run::local_admin;

/// Where pgweir listens unless told otherwise.
pub(crate) const DEFAULT_ADMIN: &str = "postgres://127.0.0.1:6432/pgweir";

/// What a report looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people at a terminal.
    #[default]
    Text,
    /// For a ticket.
    Markdown,
    /// For a browser: one file with charts, which loads nothing.
    Html,
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
            Self::Markdown => render::markdown(report),
            Self::Html => render::html(report),
            Self::Json => render::json(report)?,
        })
    }

    /// The format that a file's name asks for.
    fn of_file(file: &Path) -> Option<Self> {
        let ending = file.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "txt" => Self::Text,
            "md" | "markdown" => Self::Markdown,
            "html" | "htm" => Self::Html,
            "json" => Self::Json,
            _ => return None,
        })
    }
}

/// What `pgweir report` takes. Not `Debug`: the URL may hold a password.
#[derive(Args, Clone)]
#[command(after_help = "\
A pgweir that runs as the same user on this machine is found by itself. Elsewhere, --admin names it:
the user must be one of admin_users or stats_users, and the password may come from PGPASSWORD.

Times are durations back from now (90s, 15m, 1h 30m, 7d) or RFC 3339 (2026-11-23T20:15:00Z). Minutes \
are the grain; where a span is long, its statistics are of hours and days.

Examples:
  pgweir report
  pgweir report --since 5m --top 5 --sort p95
  pgweir report --output report.html
  pgweir report --since 10m --compare 30m          what got worse since the deploy ten minutes ago
  pgweir report --database shop --application checkout
  pgweir report --admin postgres://app@db.internal:6432 --format json --output report.json
  pgweir report --input report.json --format markdown
  pgweir report --store ~/.local/state/pgweir/history.db --since 24h
  pgweir report --store postgres://pgweir@history.internal/fleet --since 7d")]
pub struct ReportArguments {
    /// The running pgweir's admin console [default: the pgweir of this machine and user, else
    /// postgres://127.0.0.1:6432/pgweir].
    #[arg(long, value_name = "URL", env = "PGWEIR_ADMIN", hide_env_values = true)]
    pub admin: Option<String>,

    /// Show a report that was saved as JSON; - reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["admin", "since", "until", "database",
          "application", "tag", "fingerprint", "sort", "top", "compare", "show_values"])]
    pub input: Option<PathBuf>,

    /// Read a history instead of asking a process: the file that `pgweir run` keeps in its data_dir
    /// (history.db), also while it does, or the URL of a fleet's store. Times are back from its end.
    #[arg(long, value_name = "FILE|URL", env = "PGWEIR_REPORT_STORE", hide_env_values = true,
          conflicts_with_all = ["admin", "input", "show_values"])]
    pub store: Option<String>,

    /// Where to begin; whole minutes are taken.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = moment)]
    pub since: Moment,

    /// Where to end [default: now].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,

    /// Only clients of this database.
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,

    /// Only statements of this application: what a comment says, else application_name.
    #[arg(long, value_name = "NAME")]
    pub application: Option<String>,

    /// Only statements whose comments say this, such as controller=cart.
    #[arg(long, value_name = "NAME=VALUE", value_parser = tag)]
    pub tag: Option<Tag>,

    /// List only statements whose fingerprint begins so.
    #[arg(long, value_name = "HEX", value_parser = fingerprint)]
    pub fingerprint: Option<FingerprintPrefix>,

    /// What to order statements by.
    #[arg(long, value_name = "ORDER", default_value = "total", value_parser = sort())]
    pub sort: Sort,

    /// Statements to list.
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub top: u32,

    /// Compare with so much time before --since, and say what got worse.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub compare: Option<Duration>,

    /// Show the values that clients sent with the slowest executions; only for admin_users, and only
    /// where report_values allows it.
    #[arg(long)]
    pub show_values: bool,

    /// What the report looks like [default: as the ending of --output says, else text].
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,

    /// Write to this file, not to the terminal.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

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
        let report = match (&self.input, &self.store) {
            (Some(file), _) => saved(file)?,
            (None, Some(store)) => super::stored::report(store, &self.options()).await?,
            (None, None) => self.fetch().await?,
        };
        let style = Style {
            colour: self.output.is_none() && colour_wanted(self.no_color),
            ..Style::default()
        };
        let text = self.format().render(&report, style)?;
        match &self.output {
            Some(file) => {
                fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
            }
            None => print(&mut io::stdout().lock(), &text),
        }
    }

    async fn fetch(&self) -> anyhow::Result<Report> {
        let found = self.admin.clone().or_else(local_admin::find);
        let console = match &found {
            Some(url) => AdminConsole::connect(url).await?,
            None => AdminConsole::connect(DEFAULT_ADMIN).await.context(
                "no pgweir of this user was found; --admin names one, PGWEIR_CONFIG the file that one of \
                 this machine runs with",
            )?,
        };
        Ok(console.report(&self.options()).await?)
    }

    /// What to ask for.
    pub(super) fn options(&self) -> ReportOptions {
        ReportOptions {
            since: self.since,
            until: self.until,
            database: self.database.clone(),
            application: self.application.clone(),
            tag: self.tag.clone(),
            fingerprint: self.fingerprint.clone(),
            sort: self.sort,
            top: self.top as usize,
            compare: self.compare,
            show_values: self.show_values,
        }
    }

    /// The format asked for, or that of the file.
    pub(super) fn format(&self) -> ReportFormat {
        let of_file = || self.output.as_deref().and_then(ReportFormat::of_file);
        self.format.or_else(of_file).unwrap_or_default()
    }
}

/// A report that was saved as JSON.
fn saved(file: &Path) -> anyhow::Result<Report> {
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    render::from_json(&text).with_context(|| format!("{} is no report", file.display()))
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

fn moment(text: &str) -> Result<Moment, String> {
    text.parse().map_err(|error: report::ReportError| error.to_string())
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is no duration longer than nothing, such as 90s, 15m or 1h 30m");
    report::parse_duration(text).ok_or_else(wrong)
}

fn fingerprint(text: &str) -> Result<FingerprintPrefix, String> {
    text.parse().map_err(|error: report::ReportError| error.to_string())
}

fn tag(text: &str) -> Result<Tag, String> {
    text.parse().map_err(|error: report::ReportError| error.to_string())
}

fn sort() -> impl TypedValueParser<Value = Sort> {
    PossibleValuesParser::new(Sort::ALL.map(Sort::name)).try_map(|name| name.parse::<Sort>())
}
