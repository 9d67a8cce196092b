use std::time::Duration;

use model::{Finding, Fix, Severity, TableFacts};
use sql::Operator;

use super::finding::{about, evidence};
use super::{Detector, Inputs};
use crate::StatementTotals;
use crate::advisor::{is_partitioned, quoted};
use crate::settings::thresholds;
use crate::wording::{duration_ms, percent};

/// # `leading_wildcard`: a search for what a column contains, not for what it begins with
///
/// **What it sees.** The first letter of patterns of LIKE and ILIKE in samples of the statement, one
/// every few seconds; nothing else of them is kept. It speaks when half of them begin with `%` or
/// `_`, the statement takes a hundredth of all database time, and the table, where it is known, has
/// ten thousand rows or more and no trigram index on the column.
///
/// **Why it hurts.** A B-tree is sorted by the first letter. Without it, every row is read and
/// compared.
///
/// **How to fix.** A trigram index (extension `pg_trgm`, which comes with PostgreSQL): it finds what
/// contains three letters in a row. For words in texts: full text search. If the beginning would do:
/// drop the first wildcard.
///
/// **How sure.** Medium: the pattern is certain; how many rows an index would leave depends on what
/// people search for. Patterns with fewer than three letters gain nothing.
///
/// **Example.** `SELECT … FROM products WHERE name ILIKE '%shoe%'`.
pub struct LeadingWildcard;

thresholds! {
    /// When `leading_wildcard` speaks.
    LeadingWildcardThresholds {
        /// Samples in the window, so that a share means something.
        least_samples: Count = 3,
        /// The least share of the samples that begin with a wildcard.
        least_wild_ratio: Ratio = 0.5,
        /// Tables with fewer rows are read whole in no time.
        least_rows: Number = 10_000.0,
        /// The least share of all database time.
        least_ratio: Ratio = 0.01,
        /// The least time in the window: on an idle server a single statement is all of it.
        least_time: Duration = Duration::from_secs(1),
    }
}

impl Detector for LeadingWildcard {
    fn name(&self) -> &'static str {
        "leading_wildcard"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.leading_wildcard;
        let each = inputs.costly(thresholds.least_ratio, thresholds.least_time);
        each.filter_map(|statement| self.finding(statement, inputs)).collect()
    }
}

impl LeadingWildcard {
    fn finding(&self, statement: &StatementTotals, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.leading_wildcard;
        let sampled = &statement.stats.sampled;
        let wild = sampled.leading_wildcards as f64 / sampled.patterns.max(1) as f64;
        if sampled.patterns < thresholds.least_samples || wild < thresholds.least_wild_ratio {
            return None;
        }
        let searched = searched(statement, inputs);
        if let Some((table, column)) = &searched {
            let has_trigrams = table.indexes.iter().any(|index| {
                matches!(index.method.as_str(), "gin" | "gist")
                    && index.columns.iter().any(|one| one.contains(column.as_str()))
            });
            if has_trigrams || (0.0..thresholds.least_rows).contains(&table.rows) {
                return None;
            }
        }
        let share = inputs.workload.share(statement.database_ms());
        let text = inputs.title_text(statement.fingerprint);
        let tables = searched.iter().map(|(table, _)| format!("{}.{}", table.schema, table.name));
        Some(Finding {
            evidence: evidence([
                ("samples", sampled.patterns.into()),
                ("leading_wildcard_ratio", wild.into()),
                ("mean_ms", statement.mean_database_ms().into()),
                ("share_of_time_ratio", share.into()),
            ]),
            tables: tables.collect(),
            fix: fix(searched.as_ref().map(|(table, column)| (*table, column.as_str()))),
            confidence: model::Confidence::Medium,
            ..about(
                statement,
                self.name(),
                Severity::Warning,
                format!("patterns begin with a wildcard, which no B-tree can use: {text}"),
                format!(
                    "{} of {} samples begin with a wildcard, so that every row is compared; it takes \
                     {} of the database time, {} a call",
                    sampled.leading_wildcards,
                    sampled.patterns,
                    percent(share),
                    duration_ms(statement.mean_database_ms())
                ),
            )
        })
    }
}

/// The table and the column that the pattern is for, where the catalogue knows them.
fn searched<'a>(
    statement: &StatementTotals,
    inputs: &Inputs<'a>,
) -> Option<(&'a TableFacts, String)> {
    let facts = inputs.facts(statement.fingerprint)?;
    let like = facts
        .predicates
        .iter()
        .find(|predicate| matches!(predicate.operator, Operator::Like { .. }))?;
    let table = match like.table {
        Some(index) => facts.tables.get(index)?,
        None => facts.tables.first().filter(|_| facts.tables.len() == 1)?,
    };
    let table = inputs.table(&statement.database, table)?;
    table.columns.iter().find(|column| column.name == like.column)?;
    Some((table, like.column.clone()))
}

fn fix(searched: Option<(&TableFacts, &str)>) -> Fix {
    let advice = "A trigram index finds what contains three letters in a row; full text search \
                  finds words. If the beginning would do, drop the first wildcard.";
    let Some((table, column)) = searched else {
        return super::finding::change(advice);
    };
    if is_partitioned(table) {
        return super::finding::change(format!(
            "{advice} The table is partitioned: build it on each partition (CREATE INDEX CONCURRENTLY … \
             USING gin ({} gin_trgm_ops), extension pg_trgm).",
            quoted(column)
        ));
    }
    // PostgreSQL cuts names to 63 bytes.
    let stem: String = format!("{}_{column}", table.name).chars().filter(char::is_ascii).collect();
    let name = format!("{}_trgm_idx", stem.get(..50).unwrap_or(&stem));
    Fix {
        sql: Some(format!(
            "CREATE EXTENSION IF NOT EXISTS pg_trgm;\nCREATE INDEX CONCURRENTLY {} ON {}.{} USING \
             gin ({} gin_trgm_ops);",
            quoted(&name),
            quoted(&table.schema),
            quoted(&table.name),
            quoted(column)
        )),
        undo: Some(format!("DROP INDEX CONCURRENTLY {}.{};", quoted(&table.schema), quoted(&name))),
        advice: Some(advice.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, index, shop, table};

    fn detect(pattern: &str, rows: f64, with_index: bool) -> Vec<Finding> {
        let mut scene = Scene::new();
        let text = "select id from products where name like $1";
        for _ in 0..12 {
            scene.statement(text).bound(&[25], &[pattern]).work_ms(200).run();
            scene.pause(5_000);
            let _tick = scene.snapshot();
        }
        let mut products = table("products", rows, &[("id", -1.0), ("name", -0.5)]);
        if with_index {
            let trigrams = model::IndexFacts { method: "gin".to_owned(), ..index(&["name"]) };
            products.indexes.push(trigrams);
        }
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![products]));
        scene.look(|inputs| LeadingWildcard.detect(inputs))
    }

    #[test]
    fn a_search_within_is_found_and_given_a_trigram_index() {
        let findings = detect("%shoe%", 1e5, false);
        assert_eq!(findings.len(), 1);
        let sql = findings[0].fix.sql.as_deref().unwrap_or_default();
        assert!(sql.contains("ON public.products USING gin (name gin_trgm_ops);"), "{sql}");
        assert!(findings[0].fix.undo.as_deref().unwrap_or_default().starts_with("DROP INDEX"));
    }

    #[test]
    fn searches_from_the_start_small_tables_and_trigrams_at_hand_are_quiet() {
        assert!(detect("shoe%", 1e5, false).is_empty());
        assert!(detect("%shoe%", 5e3, false).is_empty());
        assert!(detect("%shoe%", 1e5, true).is_empty());
    }
}
