use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{ColumnFacts, Confidence, Finding, Fix, NotChecked, Severity};
use sql::Operator;

use super::catalogue::{Needs, Place, unread};
use super::finding::{about, evidence};
use super::plans::{Parsed, Read};
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
/// ten thousand rows or more and no trigram index on the column. It is silent where the plan uses an
/// index, or another condition that must hold can be looked up in one: few rows are left to compare
/// then.
///
/// **Why it hurts.** A B-tree is sorted by the first letter. Without it, every row is read and
/// compared.
///
/// **How to fix.** A trigram index (extension `pg_trgm`, which comes with PostgreSQL): it finds what
/// contains three letters in a row. For words in texts: full text search. If the beginning would do:
/// drop the first wildcard.
///
/// **How sure.** Medium with a plan that reads the whole table, low without: the pattern is certain; how
/// many rows an index would leave depends on what people search for. Patterns with fewer than three
/// letters gain nothing.
///
/// **Privilege.** None beyond CONNECT; SELECT on the table (or `pg_read_all_data`) to see the plan.
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

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        // Patterns speak for themselves.
        unread("leading_wildcard: tables and indexes", &[Needs::Tables], inputs)
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
        let searched = match Parsed::of(statement, inputs) {
            Some(one) => searched(&one, inputs),
            None => Vec::new(),
        };
        if searched.iter().any(|one| one.is_answered(thresholds.least_rows)) {
            return None;
        }
        let share = inputs.workload.share(statement.database_ms());
        let text = inputs.title_text(statement.fingerprint);
        let tables: BTreeSet<String> = searched.iter().map(|one| one.place.table_name()).collect();
        Some(Finding {
            evidence: evidence([
                ("samples", sampled.patterns.into()),
                ("leading_wildcard_ratio", wild.into()),
                ("mean_ms", statement.mean_database_ms().into()),
                ("share_of_time_ratio", share.into()),
            ]),
            tables: tables.into_iter().collect(),
            fix: fix(&searched),
            confidence: match searched.iter().any(|one| one.read == Read::Whole) {
                true => Confidence::Medium,
                false => Confidence::Low,
            },
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

/// What a pattern is for, where the catalogue knows it.
struct Searched<'a> {
    place: Place<'a>,
    /// The columns, or what is computed from them.
    columns: Vec<&'a ColumnFacts>,
    /// Whether the column stands alone.
    bare: bool,
    /// Whether only one of several conditions must hold.
    alternative: bool,
    read: Read,
    /// Whether another condition leaves few rows to compare.
    narrowed: bool,
}

/// What the patterns are for, except those that begin with letters in the text itself.
fn searched<'a>(one: &Parsed<'a>, inputs: &Inputs<'a>) -> Vec<Searched<'a>> {
    let facts = Arc::clone(&one.facts);
    let plain = facts.predicates.iter().map(|like| (like, false));
    let bare = plain.chain(facts.alternatives.iter().map(|like| (like, true))).map(
        |(like, alternative)| {
            (like.table, std::slice::from_ref(&like.column), like.operator, true, alternative)
        },
    );
    let computed = facts.computed.iter();
    let computed =
        computed.map(|like| (like.table, like.columns.as_slice(), like.operator, false, false));
    bare.chain(computed)
        .filter(|(_, _, operator, ..)| may_begin_wild(*operator))
        .filter_map(|(table, names, _, bare, alternative)| {
            let place = one.table(table, inputs)?;
            let columns = names
                .iter()
                .map(|name| place.table.columns.iter().find(|column| column.name == *name));
            Some(Searched {
                place,
                columns: columns.collect::<Option<_>>()?,
                bare,
                alternative,
                read: one.reads(place.table),
                narrowed: one.is_narrowed(place.table, inputs),
            })
        })
        .collect()
}

fn may_begin_wild(operator: Operator) -> bool {
    matches!(operator, Operator::Like { leading_wildcard, .. } if leading_wildcard != Some(false))
}

impl Searched<'_> {
    /// Whether few rows are compared, or an index may find them.
    fn is_answered(&self, least_rows: f64) -> bool {
        let has_trigrams = self.place.table.indexes.iter().any(|index| {
            matches!(index.method.as_str(), "gin" | "gist")
                && self.columns.iter().all(|column| {
                    index.columns.iter().any(|key| key.contains(column.name.as_str()))
                })
        });
        has_trigrams
            || self.read == Read::ByIndex
            || self.narrowed
            || (0.0..least_rows).contains(&self.place.table.rows)
    }

    /// Whether `gin_trgm_ops` takes the column as it is.
    fn takes_trigrams(&self) -> bool {
        let of_text = |column: &&ColumnFacts| {
            let name = column.type_name.split('(').next().unwrap_or_default();
            matches!(name, "text" | "character varying" | "citext")
        };
        self.bare && self.columns.iter().all(of_text)
    }
}

fn fix(searched: &[Searched<'_>]) -> Fix {
    let advice = "A trigram index finds what contains three letters in a row; full text search \
                  finds words. If the beginning would do, drop the first wildcard.";
    let Some(first) = searched.first().filter(|first| first.takes_trigrams()) else {
        return super::finding::change(advice);
    };
    let table = first.place.table;
    // Of several conditions of which one must hold, each needs an index.
    let mut names: Vec<&str> = Vec::new();
    for one in searched.iter().filter(|one| one.alternative == first.alternative) {
        let same = (&one.place.table.schema, &one.place.table.name) == (&table.schema, &table.name);
        if !same || !one.takes_trigrams() {
            return super::finding::change(advice);
        }
        for column in &one.columns {
            if !names.contains(&&*column.name) {
                names.push(&column.name);
            }
        }
        if !first.alternative {
            break;
        }
    }
    let keys: Vec<String> =
        names.iter().map(|column| format!("{} gin_trgm_ops", quoted(column))).collect();
    if is_partitioned(table) {
        return super::finding::change(format!(
            "{advice} The table is partitioned: build it on each partition (CREATE INDEX CONCURRENTLY … \
             USING gin ({}), extension pg_trgm).",
            keys.join(", ")
        ));
    }
    // PostgreSQL cuts names to 63 bytes.
    let stem = format!("{}_{}", table.name, names.join("_"));
    let stem: String = stem.chars().filter(char::is_ascii).collect();
    let name = format!("{}_trgm_idx", stem.get(..50).unwrap_or(&stem));
    Fix {
        sql: Some(format!(
            "CREATE EXTENSION IF NOT EXISTS pg_trgm;\nCREATE INDEX CONCURRENTLY {} ON {} USING gin \
             ({});",
            quoted(&name),
            first.place.table_sql(),
            keys.join(", ")
        )),
        undo: Some(format!("DROP INDEX CONCURRENTLY {}.{};", quoted(&table.schema), quoted(&name))),
        advice: Some(advice.to_owned()),
    }
}

#[cfg(test)]
mod tests;
