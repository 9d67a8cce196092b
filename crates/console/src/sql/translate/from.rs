//! FROM: tables, queries and joins.

use sqlparser::ast::{
    FunctionArg, FunctionArgExpr, Ident, JoinConstraint, JoinOperator, ObjectName, Spanned,
    TableAlias, TableFactor, TableWithJoins,
};

use super::super::{errors, tables};
use super::expression::folded;
use super::function::name_of;
use super::scope::{Relation, Scope};
use super::{Translator, quoted};
use crate::refusal::Refusal;
use crate::table::Kind;

/// A FROM clause for SQLite.
pub(super) struct From {
    pub(super) sql: String,
    /// It has no rows whatever the rest of the query says: it joins a table of PostgreSQL's
    /// catalogue that is empty here.
    pub(super) is_empty: bool,
}

/// One FROM item.
struct Item {
    sql: String,
    is_empty: bool,
}

impl Translator<'_> {
    /// Translates FROM; its relations go into `scope`.
    pub(super) fn from(
        &mut self,
        tables: &[TableWithJoins],
        scope: &mut Scope<'_>,
    ) -> Result<From, Refusal> {
        let (mut sql, mut is_empty) = (String::new(), false);
        for table in tables {
            let first = self.item(&table.relation, scope)?;
            is_empty |= first.is_empty;
            sql.push_str(if sql.is_empty() { " FROM " } else { " CROSS JOIN " });
            sql.push_str(&first.sql);
            for join in &table.joins {
                let (word, constraint, inner) = self.join_kind(&join.join_operator, join.span())?;
                let left = scope.relations.len();
                let item = self.item(&join.relation, scope)?;
                is_empty |= inner && item.is_empty;
                let merges =
                    matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural);
                if merges && matches!(word, "RIGHT JOIN" | "FULL JOIN") {
                    let what = format!("USING with {word}; write ON");
                    return Err(self.unsupported(&what, join.span()));
                }
                let on = if is_empty { String::new() } else { self.on(constraint, left, scope)? };
                sql.push_str(&format!(" {word} {}{on}", item.sql));
            }
        }
        Ok(From { sql, is_empty })
    }

    fn join_kind<'j>(
        &self,
        operator: &'j JoinOperator,
        place: sqlparser::tokenizer::Span,
    ) -> Result<(&'static str, &'j JoinConstraint, bool), Refusal> {
        Ok(match operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) => ("JOIN", on, true),
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => ("LEFT JOIN", on, false),
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) => ("RIGHT JOIN", on, false),
            JoinOperator::FullOuter(on) => ("FULL JOIN", on, false),
            JoinOperator::CrossJoin(on) => ("CROSS JOIN", on, true),
            _ => return Err(self.unsupported("this kind of join", place)),
        })
    }

    /// The condition of a join; `left` relations stood in scope before its right side came.
    fn on(
        &mut self,
        constraint: &JoinConstraint,
        left: usize,
        scope: &mut Scope<'_>,
    ) -> Result<String, Refusal> {
        match constraint {
            JoinConstraint::None => Ok(String::new()),
            JoinConstraint::On(condition) => {
                Ok(format!(" ON {}", self.condition(condition, scope)?))
            }
            JoinConstraint::Using(names) => {
                let names: Vec<_> = names.iter().map(last).collect();
                self.using(names, left, scope)
            }
            JoinConstraint::Natural => {
                let (before, after) = scope.relations.split_at(left);
                let names =
                    after.iter().flat_map(|relation| &relation.columns).filter(|(name, _)| {
                        before.iter().any(|relation| relation.column(name).is_some())
                    });
                let names = names.map(|(name, _)| name.clone()).collect();
                self.using(names, left, scope)
            }
        }
    }

    fn using(
        &mut self,
        names: Vec<String>,
        left: usize,
        scope: &mut Scope<'_>,
    ) -> Result<String, Refusal> {
        let (before, after) = scope.relations.split_at_mut(left);
        let Some(right) = after.last_mut() else { return Ok(String::new()) };
        let mut conditions = Vec::new();
        for name in names {
            let found = before.iter().find(|relation| relation.column(&name).is_some());
            let (Some(found), Some(_)) = (found, right.column(&name)) else {
                let message = format!("column \"{name}\" specified in USING clause does not exist");
                return Err(Refusal::error("42703", message));
            };
            let column = quoted(&name);
            conditions.push(format!(
                "{}.{column} = {}.{column}",
                quoted(&found.name),
                quoted(&right.name)
            ));
            right.merged.push(name);
        }
        if conditions.is_empty() {
            return Ok(String::new());
        }
        Ok(format!(" ON {}", conditions.join(" AND ")))
    }

    fn item(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) -> Result<Item, Refusal> {
        self.nested(|this| this.item_inside(factor, scope))
    }

    fn item_inside(
        &mut self,
        factor: &TableFactor,
        scope: &mut Scope<'_>,
    ) -> Result<Item, Refusal> {
        match factor {
            TableFactor::Table { name, alias, args: None, sample: None, .. } => {
                self.table(name, alias.as_ref(), scope)
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                self.table_function(name, &args.args, alias.as_ref(), scope)
            }
            TableFactor::Function { name, args, alias, .. } => {
                self.table_function(name, args, alias.as_ref(), scope)
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                // What stands beside it in FROM is not in its sight.
                let query = self.query(subquery, scope.outer)?;
                let name = alias.as_ref().map(|alias| folded(&alias.name));
                let name = name.unwrap_or_else(|| format!("*{}", scope.relations.len()));
                let columns = renamed(query.columns, alias.as_ref());
                let sql = format!("{} AS {}", columns_as(&query.sql, &columns), quoted(&name));
                self.enter(Relation { name, columns, lenient: false, merged: Vec::new() }, scope)?;
                Ok(Item { sql, is_empty: false })
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                let from = self.from(std::slice::from_ref(table_with_joins), scope)?;
                let inner = from.sql.trim_start_matches(" FROM ");
                Ok(Item { sql: format!("({inner})"), is_empty: from.is_empty })
            }
            _ => Err(self.unsupported("this FROM item", factor.span())),
        }
    }

    fn enter(&mut self, relation: Relation, scope: &mut Scope<'_>) -> Result<(), Refusal> {
        if scope.relations.iter().any(|other| other.name == relation.name) {
            let message = format!("table name \"{}\" specified more than once", relation.name);
            return Err(Refusal::error("42712", message));
        }
        scope.relations.push(relation);
        Ok(())
    }

    fn table(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
        scope: &mut Scope<'_>,
    ) -> Result<Item, Refusal> {
        let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
        let (schema, table) = match parts.as_slice() {
            [table] => (None, table.as_str()),
            [.., schema, table] => (Some(schema.as_str()), table.as_str()),
            [] => return Err(errors::undefined_table("")),
        };
        let shown = alias.map_or_else(|| table.to_owned(), |alias| folded(&alias.name));
        let cte = self.ctes.iter().rev().find(|cte| schema.is_none() && cte.name == table);
        let (source, columns, lenient) = if let Some(cte) = cte {
            (table, cte.columns.clone(), false)
        } else if let Some(found) = tables::find(schema, table) {
            self.tables.insert(found.key);
            let columns = found.columns();
            let columns = columns.iter().map(|column| (column.name.to_string(), Some(column.kind)));
            (found.key, columns.collect(), found.of_catalogue)
        } else if tables::is_catalogue(schema, table) {
            return self.nothing(shown, scope);
        } else {
            let place = name.0.first().map(Spanned::span);
            let refusal = errors::undefined_table(&parts.join("."));
            return Err(errors::placed(refusal, place, self.text));
        };
        let renames = alias.is_some_and(|alias| !alias.columns.is_empty());
        let columns = renamed(columns, alias);
        let sql = if renames {
            let sql = format!("SELECT * FROM {}", quoted(source));
            format!("{} AS {}", columns_as(&sql, &columns), quoted(&shown))
        } else {
            format!("{} AS {}", quoted(source), quoted(&shown))
        };
        let relation = Relation { name: shown, columns, lenient, merged: Vec::new() };
        self.enter(relation, scope)?;
        Ok(Item { sql, is_empty: false })
    }

    /// What the console has no rows of: any column of it is NULL.
    fn nothing(&mut self, shown: String, scope: &mut Scope<'_>) -> Result<Item, Refusal> {
        let sql = format!("(SELECT NULL AS \"_\" WHERE 0) AS {}", quoted(&shown));
        let relation =
            Relation { name: shown, columns: Vec::new(), lenient: true, merged: Vec::new() };
        self.enter(relation, scope)?;
        Ok(Item { sql, is_empty: true })
    }

    /// `generate_series`; the functions of the catalogue are empty here.
    fn table_function(
        &mut self,
        name: &ObjectName,
        arguments: &[FunctionArg],
        alias: Option<&TableAlias>,
        scope: &mut Scope<'_>,
    ) -> Result<Item, Refusal> {
        let (function, of_catalogue) = name_of(name);
        let shown = alias.map_or_else(|| function.clone(), |alias| folded(&alias.name));
        if function != "generate_series" {
            if !of_catalogue {
                return Err(self.at(errors::undefined_function(&function), name.span()));
            }
            return self.nothing(shown, scope);
        }
        let mut pieces = Vec::new();
        for argument in arguments {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else {
                return Err(errors::undefined_function(&function));
            };
            let outer = Scope::inside(scope.outer);
            pieces.push(self.expression(expr, &outer)?);
        }
        let step = if pieces.len() == 3 { pieces.pop() } else { None };
        let [from, to] = pieces.as_slice() else {
            return Err(errors::undefined_function(&function));
        };
        let (from, to) = if step.as_ref().is_some_and(|step| step.kind == Some(Kind::Interval)) {
            (
                self.coerce(from.clone(), Kind::Timestamptz)?,
                self.coerce(to.clone(), Kind::Timestamptz)?,
            )
        } else {
            (self.coerce(from.clone(), Kind::Int8)?, self.coerce(to.clone(), Kind::Int8)?)
        };
        let step = step.map_or_else(|| "1".to_owned(), |step| step.sql);
        let column =
            alias.and_then(|alias| alias.columns.first()).map(|column| folded(&column.name));
        let column = column.unwrap_or_else(|| shown.clone());
        let sql = format!(
            "(WITH RECURSIVE \"*series\"(x) AS (SELECT {} WHERE {step} <> 0 AND CASE WHEN {step} > 0 \
             THEN {} <= {} ELSE {} >= {} END UNION ALL SELECT x + {step} FROM \"*series\" WHERE CASE \
             WHEN {step} > 0 THEN x + {step} <= {} ELSE x + {step} >= {} END) SELECT x AS {} FROM \
             \"*series\") AS {}",
            from.sql,
            from.sql,
            to.sql,
            from.sql,
            to.sql,
            to.sql,
            to.sql,
            quoted(&column),
            quoted(&shown)
        );
        let columns = vec![(column, from.kind)];
        self.enter(Relation { name: shown, columns, lenient: false, merged: Vec::new() }, scope)?;
        Ok(Item { sql, is_empty: false })
    }
}

fn last(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default()
}

/// The columns, with the names that an alias gives them: `t(a, b)`.
pub(super) fn renamed(
    mut columns: Vec<(String, Option<Kind>)>,
    alias: Option<&TableAlias>,
) -> Vec<(String, Option<Kind>)> {
    let names = alias.map_or(&[][..], |alias| &alias.columns);
    for (column, name) in columns.iter_mut().zip(names) {
        column.0 = folded(&name.name);
    }
    columns
}

/// A query with other names for its columns.
fn columns_as(sql: &str, columns: &[(String, Option<Kind>)]) -> String {
    let names: Vec<_> = columns.iter().map(|(name, _)| quoted(name)).collect();
    format!("(WITH \"*named\"({}) AS ({sql}) SELECT * FROM \"*named\")", names.join(", "))
}

/// The name of a common table expression.
pub(super) fn cte_name(ident: &Ident) -> String {
    folded(ident)
}
