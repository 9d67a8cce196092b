use model::{Finding, NotChecked, Severity};
use sql::TableRef;

use super::catalogue::{Needs, unread};
use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;

/// # `not_in_nullable`: NOT IN a subquery that may return NULL
///
/// **What it sees.** `NOT IN (SELECT column FROM table …)` where the catalogue says that the column
/// may be NULL. A subquery that says `WHERE column IS NOT NULL` itself is fine.
///
/// **Why it hurts.** As soon as one row of the subquery is NULL, the condition is never true: the
/// statement returns nothing, without an error. And since the planner has to reckon with that, it
/// cannot make a join of it, but compares each row with the whole list.
///
/// **How to fix.** `NOT EXISTS (SELECT 1 FROM table WHERE table.column = …)`, which means what is
/// meant and can be a join. Or declare the column NOT NULL, or leave NULLs out: `WHERE column IS NOT
/// NULL` in the subquery.
///
/// **How sure.** Medium: the column may be NULL; whether another condition of the subquery excludes
/// that is not looked at.
///
/// **Privilege.** None beyond CONNECT; SELECT on the table (or `pg_read_all_data`) to tell whether there
/// are NULLs.
///
/// **Example.** `SELECT … FROM users WHERE id NOT IN (SELECT manager_id FROM users)`: nobody, since the
/// boss has no manager.
pub struct NotInNullable;

thresholds! {
    /// When `not_in_nullable` speaks.
    NotInNullableThresholds {
        /// Calls in the window. Even one may return the wrong rows, but a try by hand is nobody's
        /// business.
        least_calls: Count = 3,
    }
}

impl Detector for NotInNullable {
    fn name(&self) -> &'static str {
        "not_in_nullable"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.not_in_nullable;
        let mut findings = Vec::new();
        for statement in inputs.statements() {
            if statement.stats.calls < thresholds.least_calls
                || !inputs.says(statement.fingerprint, "not in")
            {
                continue;
            }
            let nullable = sql::not_in_subqueries(inputs.text(statement.fingerprint))
                .into_iter()
                .find_map(|found| {
                    let table = TableRef { schema: found.schema, name: found.table, alias: None };
                    let table = inputs.table(&statement.database, &table)?;
                    let column = table.columns.iter().find(|one| one.name == found.column)?;
                    (!column.not_null).then_some((table, column))
                });
            let Some((table, column)) = nullable else {
                continue;
            };
            let has_nulls = column.null_share.unwrap_or(0.0) > 0.0;
            let text = inputs.title_text(statement.fingerprint);
            findings.push(Finding {
                evidence: evidence([
                    ("column", format!("{}.{}", table.name, column.name).into()),
                    ("null_ratio", column.null_share.unwrap_or(0.0).into()),
                    ("calls", statement.stats.calls.into()),
                ]),
                tables: vec![format!("{}.{}", table.schema, table.name)],
                fix: change(format!(
                    "NOT EXISTS (SELECT 1 FROM {} WHERE {}.{} = …) means what is meant. Or declare \
                     the column NOT NULL.",
                    table.name, table.name, column.name
                )),
                confidence: model::Confidence::Medium,
                ..about(
                    statement,
                    self.name(),
                    if has_nulls { Severity::Warning } else { Severity::Info },
                    format!("NOT IN a column that may be NULL, {}.{}: {text}", table.name, column.name),
                    if has_nulls {
                        "The column holds NULLs, by its statistics: if the subquery returns one, the \
                         condition is never true and the statement returns nothing"
                            .to_owned()
                    } else {
                        "With the first NULL the condition is never true, and the statement returns \
                         nothing; and the planner cannot make a join of it"
                            .to_owned()
                    },
                )
            });
        }
        findings
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unread(self.name(), &[Needs::Tables], inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, shop, table};

    fn detect(text: &str, not_null: bool, null_share: f64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for _ in 0..3 {
            scene.statement(text).run();
        }
        let mut users = table("users", 1e4, &[("id", -1.0), ("manager_id", 50.0)]);
        for column in &mut users.columns {
            column.not_null = not_null || column.name == "id";
            column.null_share = Some(null_share);
        }
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![users]));
        scene.look(|inputs| NotInNullable.detect(inputs))
    }

    const TEXT: &str = "SELECT id FROM users WHERE id not in (select u.manager_id from users u)";

    #[test]
    fn a_column_that_may_be_null_is_found() {
        assert_eq!(detect(TEXT, false, 0.1)[0].severity, Severity::Warning);
        assert_eq!(detect(TEXT, false, 0.0)[0].severity, Severity::Info);
    }

    #[test]
    fn not_null_columns_lists_and_not_exists_are_quiet() {
        assert!(detect(TEXT, true, 0.0).is_empty());
        assert!(detect("SELECT id FROM users WHERE id NOT IN ($1, $2)", false, 0.1).is_empty());
        let by_id = "SELECT id FROM users WHERE id NOT IN (SELECT id FROM users)";
        assert!(detect(by_id, false, 0.1).is_empty());
        let idiom = "SELECT id FROM users WHERE id NOT IN \
                     (SELECT manager_id FROM users WHERE manager_id IS NOT NULL)";
        assert!(detect(idiom, false, 0.1).is_empty());
        let exists = "SELECT id FROM users u WHERE NOT EXISTS (SELECT $1 FROM users m WHERE m.manager_id = u.id)";
        assert!(detect(exists, false, 0.1).is_empty());
    }
}
