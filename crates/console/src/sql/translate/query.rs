//! Queries: WITH, SELECT, VALUES, UNION and their like, ORDER BY, LIMIT.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, NamedWindowExpr, OrderByExpr, OrderByKind, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned,
    With,
};

use super::expression::{common, folded, mismatch};
use super::from::{cte_name, renamed};
use super::function::column_name;
use super::scope::{Relation, Scope};
use super::{Translator, quoted};
use crate::refusal::Refusal;
use crate::table::Kind;

/// The most columns that a row may have; SQLite takes 2,000.
const MAX_COLUMNS: usize = 500;

/// A query for SQLite, and the names and types of its columns.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) sql: String,
    pub(super) columns: Vec<(String, Option<Kind>)>,
}

impl Translator<'_> {
    pub(super) fn query(
        &mut self,
        query: &Query,
        outer: Option<&Scope<'_>>,
    ) -> Result<Translated, Refusal> {
        self.nested(|this| {
            let known = this.ctes.len();
            let result = this.query_inside(query, outer);
            this.ctes.truncate(known);
            result
        })
    }

    fn query_inside(
        &mut self,
        query: &Query,
        outer: Option<&Scope<'_>>,
    ) -> Result<Translated, Refusal> {
        if !query.locks.is_empty() {
            return Err(self.unsupported("locks on rows", query.span()));
        }
        if query.for_clause.is_some()
            || query.settings.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(self.unsupported("this clause", query.span()));
        }
        let with = match &query.with {
            Some(with) => self.with(with, outer)?,
            None => String::new(),
        };
        let order = match &query.order_by {
            None => &[][..],
            Some(order) => match &order.kind {
                OrderByKind::Expressions(by) => by,
                OrderByKind::All(_) => return Err(self.unsupported("ORDER BY ALL", query.span())),
            },
        };
        let (body, order) = match &*query.body {
            SetExpr::Select(select) => self.select(select, order, outer)?,
            body => {
                let body = self.set_expression(body, outer)?;
                let mut scope = Scope::inside(None);
                scope.outputs.clone_from(&body.columns);
                let order = self.order_by(order, &scope)?;
                (body, order)
            }
        };
        let limit = self.limit(query)?;
        Ok(Translated { sql: format!("{with}{}{order}{limit}", body.sql), columns: body.columns })
    }

    fn with(&mut self, with: &With, outer: Option<&Scope<'_>>) -> Result<String, Refusal> {
        let mut parts = Vec::new();
        for cte in &with.cte_tables {
            let name = cte_name(&cte.alias.name);
            let recursive = match (&*cte.query.body, with.recursive) {
                (SetExpr::SetOperation { left, op: SetOperator::Union, .. }, true) => Some(left),
                _ => None,
            };
            // Of a recursive one, what comes before UNION says what its columns are.
            let before = self.ctes.len();
            if let Some(left) = recursive {
                let tables = self.tables.clone();
                let anchor = self.set_expression(left, outer);
                if anchor.is_err() {
                    self.tables = tables;
                }
                let columns = renamed(anchor?.columns, Some(&cte.alias));
                let relation =
                    Relation { name: name.clone(), columns, lenient: false, merged: Vec::new() };
                self.ctes.push(relation);
            }
            let query = self.query(&cte.query, outer)?;
            self.ctes.truncate(before);
            let columns = renamed(query.columns, Some(&cte.alias));
            let names: Vec<_> = columns.iter().map(|(name, _)| quoted(name)).collect();
            parts.push(format!("{}({}) AS ({})", quoted(&name), names.join(", "), query.sql));
            self.ctes.push(Relation { name, columns, lenient: false, merged: Vec::new() });
        }
        let recursive = if with.recursive { "RECURSIVE " } else { "" };
        Ok(format!("WITH {recursive}{} ", parts.join(", ")))
    }

    fn set_expression(
        &mut self,
        body: &SetExpr,
        outer: Option<&Scope<'_>>,
    ) -> Result<Translated, Refusal> {
        self.nested(|this| match body {
            SetExpr::Select(select) => Ok(this.select(select, &[], outer)?.0),
            SetExpr::Query(query) => {
                let query = this.query(query, outer)?;
                Ok(Translated { sql: format!("SELECT * FROM ({})", query.sql), ..query })
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                this.set_operation(left, *op, *set_quantifier, right, outer)
            }
            SetExpr::Values(values) => {
                this.values(values.rows.iter().map(|row| &row.content), outer)
            }
            SetExpr::Table(_) => Err(this.unsupported("TABLE", body.span())),
            _ => Err(Refusal::error("25006", "the console's tables can only be read")),
        })
    }

    fn set_operation(
        &mut self,
        left: &SetExpr,
        op: SetOperator,
        quantifier: SetQuantifier,
        right: &SetExpr,
        outer: Option<&Scope<'_>>,
    ) -> Result<Translated, Refusal> {
        let (left, right) = (self.set_expression(left, outer)?, self.set_expression(right, outer)?);
        if left.columns.len() != right.columns.len() {
            let message = "each query of a set operation must have the same number of columns";
            return Err(Refusal::error("42601", message));
        }
        let mut columns = Vec::new();
        for ((name, a), (_, b)) in left.columns.into_iter().zip(right.columns) {
            let kind = common([a, b].into_iter().flatten()).map_err(|[a, b]| mismatch(a, b))?;
            columns.push((name, kind));
        }
        let word = match (op, quantifier) {
            (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
            (SetOperator::Union, _) => "UNION",
            (_, SetQuantifier::All) => {
                return Err(Refusal::error("0A000", "the console does not support ALL here"));
            }
            (SetOperator::Intersect, _) => "INTERSECT",
            (SetOperator::Except | SetOperator::Minus, _) => "EXCEPT",
        };
        Ok(Translated { sql: format!("{} {word} {}", left.sql, right.sql), columns })
    }

    fn values<'v>(
        &mut self,
        rows: impl Iterator<Item = &'v Vec<Expr>>,
        outer: Option<&Scope<'_>>,
    ) -> Result<Translated, Refusal> {
        let scope = Scope::inside(outer);
        let mut kinds: Vec<Option<Kind>> = Vec::new();
        let mut texts = Vec::new();
        for row in rows {
            let mut items = Vec::new();
            for (place, expr) in row.iter().enumerate() {
                let piece = self.expression(expr, &scope)?;
                match kinds.get_mut(place) {
                    None => kinds.push(piece.kind),
                    Some(kind) => {
                        let all = [*kind, piece.kind].into_iter().flatten();
                        *kind = common(all).map_err(|[a, b]| mismatch(a, b))?;
                    }
                }
                items.push(piece.sql);
            }
            texts.push(format!("({})", items.join(", ")));
        }
        let columns = (1usize..).zip(kinds).map(|(place, kind)| (format!("column{place}"), kind));
        Ok(Translated { sql: format!("VALUES {}", texts.join(", ")), columns: columns.collect() })
    }

    /// A SELECT, and its ORDER BY.
    fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        outer: Option<&Scope<'_>>,
    ) -> Result<(Translated, String), Refusal> {
        self.check_clauses(select)?;
        let mut scope = Scope::inside(outer);
        let from = self.from(&select.from, &mut scope)?;
        if from.is_empty {
            return Ok((nothing(select), String::new()));
        }
        let (items, columns) = self.projection(select, &scope)?;
        let distinct = match &select.distinct {
            Some(Distinct::Distinct) => "DISTINCT ",
            Some(Distinct::On(_)) => return Err(self.unsupported("DISTINCT ON", select.span())),
            Some(Distinct::All) | None => "",
        };
        let mut sql = format!("SELECT {distinct}{}{}", items.join(", "), from.sql);
        if let Some(condition) = &select.selection {
            sql.push_str(&format!(" WHERE {}", self.condition(condition, &scope)?));
        }
        scope.outputs.clone_from(&columns);
        if let GroupByExpr::Expressions(by, modifiers) = &select.group_by
            && !by.is_empty()
        {
            if !modifiers.is_empty() {
                return Err(self.unsupported("this GROUP BY", select.span()));
            }
            let by = by.iter().map(|expr| self.ordinal(expr, &scope));
            sql.push_str(&format!(" GROUP BY {}", by.collect::<Result<Vec<_>, _>>()?.join(", ")));
        } else if matches!(select.group_by, GroupByExpr::All(_)) {
            return Err(self.unsupported("GROUP BY ALL", select.span()));
        }
        if let Some(having) = &select.having {
            sql.push_str(&format!(" HAVING {}", self.condition(having, &scope)?));
        }
        let mut windows = Vec::new();
        for window in &select.named_window {
            let NamedWindowExpr::WindowSpec(spec) = &window.1 else {
                return Err(self.unsupported("this window", window.0.span));
            };
            let spec = self.window(spec, &scope)?;
            windows.push(format!("{} AS {spec}", quoted(&folded(&window.0))));
        }
        if !windows.is_empty() {
            sql.push_str(&format!(" WINDOW {}", windows.join(", ")));
        }
        let order = self.order_by(order, &scope)?;
        Ok((Translated { sql, columns }, order))
    }

    fn check_clauses(&self, select: &Select) -> Result<(), Refusal> {
        let odd = select.top.is_some()
            || select.exclude.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.qualify.is_some()
            || select.value_table_mode.is_some();
        if select.into.is_some() {
            return Err(Refusal::error("25006", "the console's tables can only be read"));
        }
        if odd { Err(self.unsupported("this clause", select.span())) } else { Ok(()) }
    }

    #[expect(clippy::type_complexity, reason = "texts, and names with types")]
    fn projection(
        &mut self,
        select: &Select,
        scope: &Scope<'_>,
    ) -> Result<(Vec<String>, Vec<(String, Option<Kind>)>), Refusal> {
        let (mut items, mut columns) = (Vec::new(), Vec::new());
        let mut add = |sql: String, name: String, kind| {
            items.push(format!("{sql} AS {}", quoted(&name)));
            columns.push((name, kind));
        };
        for item in &select.projection {
            let (expr, name) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, column_name(expr)),
                SelectItem::ExprWithAlias { expr, alias } => (expr, folded(alias)),
                SelectItem::Wildcard(_) => {
                    for relation in &scope.relations {
                        wildcard(relation, &mut add);
                    }
                    continue;
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let name = name.0.last().and_then(|part| part.as_ident()).map(folded);
                    let name = name.unwrap_or_default();
                    let relation = scope.relations.iter().find(|relation| relation.name == name);
                    let Some(relation) = relation else {
                        let message = format!("missing FROM-clause entry for table \"{name}\"");
                        return Err(self.at(Refusal::error("42P01", message), item.span()));
                    };
                    wildcard(&Relation { merged: Vec::new(), ..relation.clone() }, &mut add);
                    continue;
                }
                _ => return Err(self.unsupported("this select item", item.span())),
            };
            let piece = self.expression(expr, scope)?;
            add(piece.sql, name, piece.kind);
        }
        if columns.len() > MAX_COLUMNS {
            let message = format!("target lists can have at most {MAX_COLUMNS} entries");
            return Err(Refusal::error("54011", message));
        }
        if columns.is_empty() {
            // PostgreSQL allows none; SQLite does not.
            items.push("NULL".to_owned());
            columns.push(("?column?".to_owned(), None));
        }
        Ok((items, columns))
    }
}

fn wildcard(relation: &Relation, add: &mut impl FnMut(String, String, Option<Kind>)) {
    for (column, kind) in &relation.columns {
        if !relation.merged.contains(column) {
            let sql = format!("{}.{}", quoted(&relation.name), quoted(column));
            add(sql, column.clone(), *kind);
        }
    }
}

/// A SELECT that has no rows, with the names of its columns.
fn nothing(select: &Select) -> Translated {
    let names = select.projection.iter().map(|item| match item {
        SelectItem::UnnamedExpr(expr) => column_name(expr),
        SelectItem::ExprWithAlias { alias, .. } => folded(alias),
        _ => "_".to_owned(),
    });
    let columns: Vec<_> = names.map(|name| (name, None)).collect();
    let items: Vec<_> =
        columns.iter().map(|(name, _)| format!("NULL AS {}", quoted(name))).collect();
    let items = if items.is_empty() { "NULL".to_owned() } else { items.join(", ") };
    Translated { sql: format!("SELECT {items} WHERE 0"), columns }
}
