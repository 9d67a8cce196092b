//! A workload from what the running pgweir measured.

use anyhow::anyhow;
use report::render::units;
use report::{Moment, ReportOptions};

use super::Statement;
use crate::cli::{AdminConsole, AdviseArguments, DEFAULT_ADMIN};
use crate::run::local_admin;

/// The statements asked for; those beyond it take next to no time.
const MOST_STATEMENTS: usize = 200;
/// Statements that are planned. The others are no workload for an index.
const CLASSES: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH"];

/// The statements that ran in `database`, their values left out, and where they are from.
///
/// # Errors
/// When pgweir cannot be reached, or saw nothing.
pub(super) async fn read(
    arguments: &AdviseArguments,
    database: &str,
) -> anyhow::Result<(Vec<Statement>, String)> {
    let found = arguments.admin.clone().or_else(local_admin::find);
    let url = found.as_deref().unwrap_or(DEFAULT_ADMIN);
    let console = AdminConsole::connect(url)
        .await
        .map_err(|error| anyhow!("{error}; with --workload FILE no running pgweir is needed"))?;
    let since = Moment::Ago(arguments.since);
    let options = ReportOptions {
        since,
        top: MOST_STATEMENTS,
        // The same statement may run in others too.
        database: Some(database.to_owned()),
        ..ReportOptions::default()
    };
    let report = console.report(&options).await?;
    let statements: Vec<Statement> = report
        .queries
        .iter()
        .filter(|query| query.databases.iter().any(|name| name == database))
        .filter(|query| CLASSES.contains(&query.class.as_str()) && query.calls > 0)
        .map(|query| Statement {
            name: query.fingerprint.to_string(),
            sql: query.text.clone(),
            calls: query.calls as f64,
            mean_ms: Some(query.database_ms / query.calls as f64),
            rows: Some(query.rows as f64 / query.calls as f64),
        })
        .collect();
    if statements.is_empty() {
        return Err(anyhow!(
            "pgweir measured no statement in {database} in the last {}; with --workload FILE no \
             traffic is needed",
            units::seconds(arguments.since.as_secs_f64())
        ));
    }
    let since = units::seconds(report.window.duration_s);
    Ok((statements, format!("live traffic of the last {since}")))
}
