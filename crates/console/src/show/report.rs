//! `SHOW REPORT`: the whole report as JSON, in one field.

use std::sync::Arc;

use ::report::{ProcessFacts, Report, ReportError, ReportOptions, render};
use jiff::SignedDuration;
use model::Published;

use super::{Rows, Show, Tick};
use crate::live::{Live, Role};
use crate::refusal::Refusal;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

/// The setting that lets values be shown.
const VALUES_SETTING: &str = "report_values";

pub(super) static REPORT: Show = Show {
    name: "report",
    accepts: Accepts::Report,
    columns: &[&[Column::text("report")]],
    rows: Rows::Tick(rows),
};

fn rows(tick: &Tick<'_>) -> Result<Vec<Row>, Refusal> {
    let options = tick.arguments.report.as_deref().cloned().unwrap_or_default();
    if options.show_values {
        may_see_values(tick)?;
    }
    let process = ProcessFacts {
        version: tick.live.version().to_owned(),
        started_at: tick.live.started_at(),
    };
    let report =
        Report::build(tick.published, &options, &process).map_err(|error| refusal(&error))?;
    let json = render::json(&report).map_err(|error| refusal(&error))?;
    Ok(vec![vec![Value::Text(json)]])
}

/// The same tick with as much of the past as the report looks at.
///
/// Cancel-safe: it reads only.
pub(super) async fn reach_back(
    published: Arc<Published>,
    live: &dyn Live,
    options: &ReportOptions,
) -> Arc<Published> {
    let taken_at = published.snapshot.taken_at;
    let since = options.since.at(taken_at);
    let compare = options.compare.and_then(|span| SignedDuration::try_from(span).ok());
    let from = compare.and_then(|span| since.checked_sub(span).ok()).unwrap_or(since);
    let until = options.until.map_or(taken_at, |until| until.at(taken_at)).min(taken_at);
    if from >= until {
        // Refused when it is built.
        return published;
    }
    // No hour may lie on both sides of what is compared.
    let snapshot = live.past(from, until, vec![since]).await;
    Arc::new(Published { snapshot, ..Published::clone(&published) })
}

/// Values are the application's data: who may look at statistics may not see them.
fn may_see_values(tick: &Tick<'_>) -> Result<(), Refusal> {
    if tick.role != Role::Admin {
        return Err(Refusal::error("42501", "admin access needed to see values"));
    }
    let settings = tick.live.settings();
    if settings.iter().any(|setting| setting.key == VALUES_SETTING && setting.value == "true") {
        return Ok(());
    }
    let hint = "If whoever reads reports may see what clients sent, set report_values = true in \
                pgweir's configuration, then RELOAD.";
    Err(Refusal::error("42501", "values are not shown: report_values is off").with_hint(hint))
}

fn refusal(error: &ReportError) -> Refusal {
    match error {
        ReportError::EmptySpan { .. } => Refusal::error("22023", error.to_string())
            .with_hint("Give times with their zone (2026-11-23T20:15:00Z), or how long ago (15m)."),
        other => Refusal::error("XX000", format!("report not written: {other}")),
    }
}
