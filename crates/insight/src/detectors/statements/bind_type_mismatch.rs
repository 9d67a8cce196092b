use std::time::Duration;

use model::{Confidence, Finding, NotChecked, Severity, TableFacts};

use super::catalogue::{Needs, unread};
use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::StatementTotals;
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `bind_type_mismatch`: a parameter's type keeps the server from using an index
///
/// **What it sees.** The types that the driver gives with Parse, against the types of the columns
/// that the parameters are compared with. It speaks for pairs where PostgreSQL converts the *column*:
/// numeric or floating point against integers, floating point against numeric, text against
/// `char(n)`. Critical where the column leads an index of a table of ten thousand rows or more.
///
/// **Why it hurts.** The column's value of every row is converted before it is compared. An index is
/// sorted by the values as they are stored, and cannot be used.
///
/// **How to fix.** In the application: bind a value of the column's type (in Java `setLong` rather
/// than `setBigDecimal`; in Python an `int` rather than a `Decimal` or `float`). Or convert in the
/// statement: `WHERE id = $1::bigint`.
///
/// **How sure.** High: both types are known.
///
/// **Privilege.** None beyond CONNECT.
///
/// **Example.** `SELECT … FROM orders WHERE id = $1` with `$1` sent as numeric: the primary key is not
/// used, all orders are read.
pub struct BindTypeMismatch;

thresholds! {
    /// When `bind_type_mismatch` speaks.
    BindTypeMismatchThresholds {
        /// An index on a table with fewer rows is no loss.
        least_rows: Number = 10_000.0,
        /// The least share of all database time.
        least_ratio: Ratio = 0.01,
        /// The least time in the window: on an idle server a single statement is all of it.
        least_time: Duration = Duration::from_secs(1),
    }
}

/// A column that is converted for each row.
struct Mismatch<'a> {
    table: &'a TableFacts,
    column: &'a str,
    column_type: &'a str,
    bound_type: &'static str,
    indexed: bool,
}

impl Detector for BindTypeMismatch {
    fn name(&self) -> &'static str {
        "bind_type_mismatch"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.bind_type_mismatch;
        let each = inputs.costly(thresholds.least_ratio, thresholds.least_time);
        each.filter_map(|statement| {
            let mismatch = mismatch(statement, inputs)?;
            Some(self.finding(statement, &mismatch, inputs))
        })
        .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unread(self.name(), &[Needs::Tables], inputs)
    }
}

impl BindTypeMismatch {
    fn finding(
        &self,
        statement: &StatementTotals,
        mismatch: &Mismatch<'_>,
        inputs: &Inputs<'_>,
    ) -> Finding {
        let Mismatch { table, column, column_type, bound_type, indexed } = mismatch;
        let loses = *indexed && table.rows >= inputs.settings.of.bind_type_mismatch.least_rows;
        let text = inputs.title_text(statement.fingerprint);
        let share = inputs.workload.share(statement.database_ms());
        let lost = if loses {
            format!(
                "; the index on it cannot be used, and all {} rows are read",
                count(table.rows.max(0.0))
            )
        } else {
            String::new()
        };
        Finding {
            evidence: evidence([
                ("column", format!("{}.{column}", table.name).into()),
                ("column_type", (*column_type).into()),
                ("bound_type", (*bound_type).into()),
                ("rows", table.rows.max(0.0).into()),
                ("mean_ms", statement.mean_database_ms().into()),
                ("share_of_time_ratio", share.into()),
            ]),
            tables: vec![format!("{}.{}", table.schema, table.name)],
            fix: change(format!(
                "Bind a {column_type}, not a {bound_type} (in Java setLong rather than \
                 setBigDecimal, in Python an int rather than a Decimal or float), or convert in the \
                 statement: {column} = $1::{column_type}."
            )),
            confidence: Confidence::High,
            ..about(
                statement,
                self.name(),
                if loses { Severity::Critical } else { Severity::Warning },
                format!("{column} is {column_type}, but compared with a {bound_type}: {text}"),
                format!(
                    "PostgreSQL converts {}.{column} of every row before it compares{lost}. It takes \
                     {} of the database time",
                    table.name,
                    percent(share)
                ),
            )
        }
    }
}

fn mismatch<'a>(statement: &StatementTotals, inputs: &Inputs<'a>) -> Option<Mismatch<'a>> {
    let sample = inputs.snapshot.shapes.get(&statement.fingerprint)?.sample.as_ref()?;
    let facts = inputs.facts(statement.fingerprint)?;
    sql::parameter_comparisons(&sample.text).into_iter().find_map(|compared| {
        let oid = *sample.parameter_types.get(compared.parameter)?;
        let mut tables = facts.tables.iter().filter(|table| {
            let shown = table.alias.as_ref().unwrap_or(&table.name);
            compared.qualifier.as_ref().is_none_or(|qualifier| qualifier == shown)
        });
        let (table, column) = tables.find_map(|table| {
            let table = inputs.table(&statement.database, table)?;
            let column = table.columns.iter().find(|column| column.name == compared.column)?;
            Some((table, column))
        })?;
        let bound_type = converts_column(oid, &column.type_name)?;
        let indexed = table.indexes.iter().any(|index| {
            index.valid && index.columns.first().is_some_and(|first| *first == column.name)
        });
        let (column, column_type) = (column.name.as_str(), column.type_name.as_str());
        Some(Mismatch { table, column, column_type, bound_type, indexed })
    })
}

/// The name of the parameter's type (an OID of pg_type), if comparing it with such a column converts
/// the column: there is no operator for the pair, and the column's type is not the preferred one
/// (PostgreSQL manual, 10.2).
fn converts_column(oid: u32, column_type: &str) -> Option<&'static str> {
    const FLOAT4: u32 = 700;
    const FLOAT8: u32 = 701;
    const NUMERIC: u32 = 1700;
    const TEXT: u32 = 25;
    let column = column_type.split('(').next().unwrap_or(column_type).trim();
    match (column, oid) {
        ("smallint" | "integer" | "bigint", NUMERIC) => Some("numeric"),
        ("smallint" | "integer" | "bigint" | "numeric", FLOAT8) => Some("double precision"),
        ("smallint" | "integer" | "bigint" | "numeric", FLOAT4) => Some("real"),
        // A varchar has no operators of its own: there, `bpchar = bpchar` converts the parameter.
        ("character", TEXT) => Some("text"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, shop, table};

    fn detect(types: &[u32], text: &str, rows: f64) -> Vec<Finding> {
        detect_on("bigint", types, text, rows)
    }

    /// The same where the columns are of that type.
    fn detect_on(column_type: &str, types: &[u32], text: &str, rows: f64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for _ in 0..10 {
            scene.statement(text).bound(types, &["7"]).work_ms(200).run();
        }
        let mut orders = table("orders", rows, &[("id", -1.0), ("total", -0.5)]);
        for column in &mut orders.columns {
            column.type_name = column_type.to_owned();
        }
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![orders]));
        scene.look(|inputs| BindTypeMismatch.detect(inputs))
    }

    const BY_ID: &str = "SELECT total FROM orders WHERE id = $1";

    #[test]
    fn numeric_against_bigint_loses_the_primary_key() {
        let findings = detect(&[1700], BY_ID, 1e6);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Critical);
        assert_eq!(findings[0].tables, ["public.orders"]);
        let by_total = "SELECT id FROM orders o WHERE o.total = $1";
        assert_eq!(detect(&[701], by_total, 1e6)[0].severity, Severity::Warning, "no index");
        assert_eq!(detect(&[1700], BY_ID, 100.0)[0].severity, Severity::Warning, "few rows");
    }

    /// Plans of PostgreSQL 15: `c = ($1)::bpchar` for a varchar, `(c)::text = $1` for a text.
    #[test]
    fn text_converts_a_char_column_and_varchar_does_not() {
        assert_eq!(detect_on("character(8)", &[25], BY_ID, 1e6)[0].severity, Severity::Critical);
        assert!(detect_on("character(8)", &[1043], BY_ID, 1e6).is_empty());
        assert!(detect_on("character varying(8)", &[25], BY_ID, 1e6).is_empty());
        assert!(detect_on("text", &[1043], BY_ID, 1e6).is_empty());
    }

    #[test]
    fn types_that_go_together_and_casts_are_quiet() {
        assert!(detect(&[20], BY_ID, 1e6).is_empty(), "bigint");
        assert!(detect(&[23], BY_ID, 1e6).is_empty(), "integer has operators with bigint");
        assert!(detect(&[0], BY_ID, 1e6).is_empty(), "the server chooses");
        assert!(detect(&[], BY_ID, 1e6).is_empty());
        let cast = "SELECT total FROM orders WHERE id = $1::bigint";
        assert!(detect(&[1700], cast, 1e6).is_empty());
    }
}
