use std::collections::BTreeMap;

use model::{DatabaseFacts, Finding, Fix, NotChecked, SequenceFacts, Severity};

use crate::advisor::quoted;
use crate::detectors::catalogue::{Needs, finding, list, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `sequence_exhaustion`: a sequence or its column is about to run out of numbers
///
/// **What it sees.** For each sequence how far its last value is on the way to the last one that it,
/// or the type of the column that owns it, can hold. Sequences that begin anew are left out, unless
/// their column ends first.
///
/// **Why it hurts.** At the end every INSERT fails (2200H, or 22003 where the column's type ends first),
/// and widening the column of a large table then takes hours of downtime.
///
/// **How to fix.** Widen the column to `bigint` now, with the columns that refer to it. Where only the
/// sequence ends, raise its MAXVALUE.
///
/// **How sure.** High: the values were read.
///
/// **Privilege.** USAGE or SELECT on the sequence.
///
/// **Example.** `orders.id` is an `integer`, and `orders_id_seq` is at 2,040,000,000.
pub struct SequenceExhaustion;

thresholds! {
    /// When `sequence_exhaustion` speaks.
    SequenceExhaustionThresholds {
        /// The share of the numbers used that is a warning. It leaves time to plan.
        warning_ratio: Ratio = 0.75,
        /// The share that is critical.
        critical_ratio: Ratio = 0.9,
    }
}

impl Detector for SequenceExhaustion {
    fn name(&self) -> &'static str {
        "sequence_exhaustion"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let databases = inputs.catalog.databases.iter();
        databases
            .flat_map(|(name, database)| {
                database.sequences.iter().filter_map(|one| self.finding(name, one, inputs))
            })
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        let databases = inputs.catalog.databases.iter();
        let mut list = unread(self.name(), &[Needs::Sequences], inputs);
        list.extend(databases.filter_map(|(name, database)| unreadable(name, database, inputs)));
        list
    }
}

impl SequenceExhaustion {
    fn finding(
        &self,
        name: &str,
        sequence: &SequenceFacts,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.sequence_exhaustion;
        let end = end_of(sequence);
        let column_ends = end != own_end(sequence);
        if sequence.cycles && !column_ends {
            return None;
        }
        let begin = if sequence.increment < 0 { sequence.most } else { sequence.least };
        let last = sequence.last?;
        let used = distance(begin, last) / distance(begin, end).max(1.0);
        let severity = match used {
            used if used >= thresholds.critical_ratio => Severity::Critical,
            used if used >= thresholds.warning_ratio => Severity::Warning,
            _ => return None,
        };
        let left = distance(last, end) / sequence.increment.unsigned_abs().max(1) as f64;
        let full = format!("{}.{}", sequence.schema, sequence.name);
        let owner = sequence.column.as_ref();
        let subject = owner.map_or_else(
            || format!("sequence {full}"),
            |column| format!("{}.{}.{}", column.schema, column.table, column.name),
        );
        let ends = match owner {
            Some(column) if column_ends => {
                format!("a column of type {} ends at {end}", column.type_name)
            }
            _ => format!("ends at {end}"),
        };
        let title = format!("{subject} has used {} of its numbers", percent(used));
        let why = format!(
            "{full} is at {last}, and {ends}; {} more INSERTs, and the next one fails",
            count(left)
        );
        Some(Finding {
            evidence: BTreeMap::from([
                ("sequence".to_owned(), full.into()),
                ("last_value".to_owned(), model::Evidence::Int(last)),
                ("end_value".to_owned(), model::Evidence::Int(end)),
                ("used_ratio".to_owned(), used.into()),
            ]),
            tables: owner
                .iter()
                .map(|column| format!("{}.{}", column.schema, column.table))
                .collect(),
            database: Some(name.to_owned()),
            fix: fix(sequence, end),
            ..finding(self.name(), severity, title, why)
        })
    }
}

/// The last value of the sequence itself.
fn own_end(sequence: &SequenceFacts) -> i64 {
    if sequence.increment < 0 { sequence.least } else { sequence.most }
}

/// The least and the most that a column can hold.
fn range(type_name: &str) -> Option<(i64, i64)> {
    match type_name {
        "smallint" => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        "integer" => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        _ => None,
    }
}

/// The last value that both sequence and column can hold.
fn end_of(sequence: &SequenceFacts) -> i64 {
    let own = own_end(sequence);
    let column = sequence.column.as_ref().and_then(|column| range(&column.type_name));
    match column {
        Some((least, _)) if sequence.increment < 0 => own.max(least),
        Some((_, most)) => own.min(most),
        None => own,
    }
}

fn distance(from: i64, to: i64) -> f64 {
    (to as f64 - from as f64).abs()
}

fn fix(sequence: &SequenceFacts, end: i64) -> Fix {
    let name = format!("{}.{}", quoted(&sequence.schema), quoted(&sequence.name));
    let down = sequence.increment < 0;
    let narrow = sequence.column.as_ref().filter(|column| {
        range(&column.type_name).is_some_and(|(least, most)| end == if down { least } else { most })
    });
    if let Some(column) = narrow {
        let table = format!("{}.{}", quoted(&column.schema), quoted(&column.table));
        return Fix {
            advice: Some(format!(
                "ALTER TABLE {table} ALTER COLUMN {} TYPE bigint; ALTER SEQUENCE {name} AS bigint. It \
                 rewrites the table under an exclusive lock: for a large one, add a bigint column, \
                 fill it in small steps with a trigger keeping it up to date, and swap the two. \
                 Columns that refer to it, and the application's types, have to grow too.",
                quoted(&column.name),
            )),
            ..Fix::default()
        };
    }
    if end == i64::MAX || end == i64::MIN {
        return Fix {
            advice: Some(format!(
                "There are no further numbers: let {name} begin anew where old rows are gone, or use \
                 another kind of key."
            )),
            ..Fix::default()
        };
    }
    let bound = if down { "MINVALUE" } else { "MAXVALUE" };
    Fix {
        sql: Some(format!("ALTER SEQUENCE {name} AS bigint NO {bound};")),
        undo: Some(format!("ALTER SEQUENCE {name} {bound} {end};")),
        advice: None,
    }
}

fn unreadable(name: &str, database: &DatabaseFacts, inputs: &Inputs<'_>) -> Option<NotChecked> {
    let hidden: Vec<&SequenceFacts> =
        database.sequences.iter().filter(|one| !one.readable).collect();
    let schema = &hidden.first()?.schema;
    let names: Vec<String> =
        hidden.iter().map(|one| format!("{}.{}", one.schema, one.name)).collect();
    let role = inputs.catalog.servers.get(&database.server).map_or("", |server| &server.role);
    Some(NotChecked {
        check: format!("sequence_exhaustion: {} sequences of {name}", hidden.len()),
        why: format!(
            "role {role} may not read {}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}; would \
             show how far they are",
            list(&names, 3),
            quoted(schema),
            quoted(role),
        ),
    })
}

#[cfg(test)]
mod tests {
    use model::SequenceColumn;

    use super::*;
    use crate::scene::{Scene, shop};

    fn sequence(last: i64, most: i64, column_type: Option<&str>) -> SequenceFacts {
        SequenceFacts {
            schema: "public".to_owned(),
            name: "orders_id_seq".to_owned(),
            increment: 1,
            least: 1,
            most,
            last: Some(last),
            readable: true,
            column: column_type.map(|name| SequenceColumn {
                schema: "public".to_owned(),
                table: "orders".to_owned(),
                name: "id".to_owned(),
                type_name: name.to_owned(),
            }),
            ..SequenceFacts::default()
        }
    }

    fn detect(sequence: SequenceFacts) -> Vec<Finding> {
        let mut scene = Scene::new();
        let database = DatabaseFacts { sequences: vec![sequence], ..shop(Vec::new()) };
        scene.catalog.databases.insert("shop".to_owned(), database);
        scene.look(|inputs| SequenceExhaustion.detect(inputs))
    }

    #[test]
    fn the_column_may_end_before_the_sequence() {
        let findings = detect(sequence(2_000_000_000, i64::MAX, Some("integer")));
        assert_eq!(findings[0].severity, Severity::Critical);
        assert_eq!(findings[0].title, "public.orders.id has used 93 % of its numbers");
        assert_eq!(findings[0].fix.sql, None, "no rewrite without a plan");
        let three_quarters = sequence(1_700_000_000, i64::MAX, Some("integer"));
        assert_eq!(detect(three_quarters)[0].severity, Severity::Warning);
        assert!(detect(sequence(1_500_000_000, i64::MAX, Some("integer"))).is_empty());
        assert!(detect(sequence(2_000_000_000, i64::MAX, Some("bigint"))).is_empty());
    }

    #[test]
    fn a_sequence_that_ends_first_goes_on() {
        let findings = detect(sequence(95, 100, Some("bigint")));
        let sql = "ALTER SEQUENCE public.orders_id_seq AS bigint NO MAXVALUE;";
        assert_eq!(findings[0].fix.sql.as_deref(), Some(sql));
        let undo = "ALTER SEQUENCE public.orders_id_seq MAXVALUE 100;";
        assert_eq!(findings[0].fix.undo.as_deref(), Some(undo));
    }

    #[test]
    fn those_that_count_down_begin_anew_or_were_never_used() {
        let down = SequenceFacts { increment: -1, least: -100, most: -1, ..sequence(-95, 0, None) };
        assert_eq!(detect(down.clone()).len(), 1);
        assert!(detect(SequenceFacts { last: Some(-5), ..down }).is_empty());
        assert!(detect(SequenceFacts { cycles: true, ..sequence(99, 100, None) }).is_empty());
        assert!(detect(SequenceFacts { last: None, ..sequence(0, 100, None) }).is_empty());
    }
}
