//! The faults are mended, and what that did.

use std::time::Duration;

use anyhow::Context;
use report::Report;
use tokio_postgres::Client;

use super::faults::{Effect, FAULTS, Fault, Mend};
use super::load::Pages;

/// How long one fix may take: CREATE INDEX CONCURRENTLY waits for every transaction that was open
/// when it began.
const PATIENCE: Duration = Duration::from_secs(120);

/// The SQL of the faults that were found, in the order in which they are listed.
pub(super) fn by_sql(report: &Report) -> Vec<(&'static Fault, Vec<String>)> {
    let wanted = FAULTS.iter().filter(|fault| fault.mend == Mend::Sql);
    wanted
        .filter_map(|fault| {
            let sql = fault.found(report)?.fix.sql.as_deref()?;
            Some((fault, statements(sql)))
        })
        .collect()
}

/// One statement a line end with a semicolon: CREATE INDEX CONCURRENTLY must not share a query string
/// with another, which would make them one transaction.
fn statements(sql: &str) -> Vec<String> {
    sql.split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';').to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// Runs one fix. Not cancel-safe: an index that was not finished stays behind as invalid.
pub(super) async fn apply(statements: &[String], client: &Client) -> anyhow::Result<()> {
    for statement in statements {
        tokio::time::timeout(PATIENCE, client.simple_query(statement))
            .await
            .with_context(|| format!("took longer than {} s: {statement}", PATIENCE.as_secs()))?
            .with_context(|| format!("failed: {statement}"))?;
    }
    Ok(())
}

/// What shows how a fault hurts: milliseconds, bytes or a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Measured {
    /// 95th percentile of a page, ms.
    Page(f64),
    /// Bytes.
    Bytes(f64),
    /// A share.
    Share(f64),
}

/// Measures all faults; none where a page was not asked for.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn measure(
    pages: &Pages,
    client: &Client,
) -> anyhow::Result<Vec<Option<Measured>>> {
    let mut all = Vec::new();
    for fault in FAULTS {
        all.push(match fault.effect {
            Effect::Faster(visit) => {
                pages.get(&visit).map(|page| Measured::Page(page.took.quantile_ms(0.95)))
            }
            Effect::Refused(visit) => pages
                .get(&visit)
                .map(|page| Measured::Share(page.refused as f64 / page.took.count().max(1) as f64)),
            Effect::Bytes(_, sql) => number(client, sql).await?.map(Measured::Bytes),
            Effect::Share(_, sql) => number(client, sql).await?.map(Measured::Share),
        });
    }
    Ok(all)
}

async fn number(client: &Client, sql: &str) -> anyhow::Result<Option<f64>> {
    let row = client.query_opt(sql, &[]).await.context("the shop cannot be measured")?;
    Ok(row.and_then(|row| row.try_get(0).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_taken_apart() {
        assert_eq!(
            statements("DROP INDEX a;\nCREATE INDEX b ON c (d);\n"),
            ["DROP INDEX a", "CREATE INDEX b ON c (d)"]
        );
    }
}
