//! Queries: their blocks, FROM items and clauses.

use sqlparser::ast::{
    Expr, GroupByExpr, Join, JoinConstraint, JoinOperator, LimitClause, ObjectName, OrderBy,
    OrderByKind, OrderBySort, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins,
    Value, With,
};

use super::scope::{Column, Relation, Scope, folded, table_ref};
use super::statement::Collector;
use super::{Join as JoinFact, OrderKey, TableRef};

impl Collector {
    /// Collects from a query inside the given scope; `outermost` if its rows are the statement's.
    pub(super) fn query(&mut self, query: &Query, outer: Option<&Scope<'_>>, outermost: bool) {
        let known = self.expressions_named.len();
        if let Some(with) = &query.with {
            self.with(with, outer);
        }
        if outermost {
            self.facts.limit |= has_limit(query);
        }
        let order_by = query.order_by.as_ref().filter(|_| outermost);
        // A chain of UNIONs leans to the left as far as it is long.
        let mut body = &*query.body;
        while let SetExpr::SetOperation { left, right, .. } = body {
            self.set_expression(right, outer, None, outermost);
            body = left;
        }
        let whole = matches!(*query.body, SetExpr::Select(_));
        self.set_expression(body, outer, order_by.filter(|_| whole), outermost);
        self.expressions_named.truncate(known);
    }

    fn set_expression(
        &mut self,
        body: &SetExpr,
        outer: Option<&Scope<'_>>,
        order_by: Option<&OrderBy>,
        outermost: bool,
    ) {
        match body {
            SetExpr::Select(select) => self.select(select, outer, order_by, outermost),
            SetExpr::Query(query) => self.query(query, outer, outermost),
            SetExpr::SetOperation { left, right, .. } => {
                // Only brackets nest to the right, and the parser bounds those.
                self.set_expression(left, outer, None, outermost);
                self.set_expression(right, outer, None, outermost);
            }
            SetExpr::Values(values) => {
                let scope = Scope { outer, relations: Vec::new() };
                for row in &values.rows {
                    self.subqueries(row.content.iter(), &scope);
                }
            }
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => self.statement(statement, false),
            SetExpr::Table(table) => {
                if let Some(name) = &table.table_name {
                    let table = TableRef {
                        schema: table.schema_name.clone(),
                        name: name.clone(),
                        alias: None,
                    };
                    if !self.is_expression(&table) {
                        self.facts.tables.push(table);
                    }
                }
                self.facts.selects_star |= outermost;
            }
        }
    }

    /// Common table expressions; their names are no tables, from here to the query's end.
    fn with(&mut self, with: &With, outer: Option<&Scope<'_>>) {
        let name = |cte: &sqlparser::ast::Cte| folded(&cte.alias.name);
        if with.recursive {
            self.expressions_named.extend(with.cte_tables.iter().map(name));
        }
        for cte in &with.cte_tables {
            self.query(&cte.query, outer, false);
            if !with.recursive {
                // Not before: `WITH t AS (SELECT … FROM t)` reads the table.
                self.expressions_named.push(name(cte));
            }
        }
    }

    fn select(
        &mut self,
        select: &Select,
        outer: Option<&Scope<'_>>,
        order_by: Option<&OrderBy>,
        outermost: bool,
    ) {
        let mut scope = Scope { outer, relations: Vec::new() };
        self.from(&select.from, &mut scope);
        if let Some(condition) = &select.selection {
            self.condition(condition, &scope);
        }
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr)
                | SelectItem::ExprWithAlias { expr, .. }
                | SelectItem::ExprWithAliases { expr, .. } => self.subqueries([expr], &scope),
                SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {
                    self.facts.selects_star |= outermost;
                    if !self.within_expression {
                        self.facts.whole.extend(scope.relations.iter().filter_map(|r| r.table));
                    }
                }
            }
        }
        self.subqueries(&select.having, &scope);
        if let GroupByExpr::Expressions(keys, _) = &select.group_by {
            for key in keys {
                self.mention(key, &scope);
                if let Some(column) = self.key_column(key, select, &scope) {
                    self.facts.group_by.push((column.table, column.name));
                }
            }
        }
        if let Some(OrderByKind::Expressions(keys)) = order_by.map(|order_by| &order_by.kind) {
            for key in keys {
                self.mention(&key.expr, &scope);
                let Some(column) = self.key_column(&key.expr, select, &scope) else {
                    break;
                };
                self.facts.order_by.push(OrderKey {
                    table: column.table,
                    column: column.name,
                    descending: matches!(key.options.sort, Some(OrderBySort::Desc)),
                });
            }
        }
    }

    /// The column that a key of ORDER BY or GROUP BY means, by position, output name or itself.
    fn key_column(&self, key: &Expr, select: &Select, scope: &Scope<'_>) -> Option<Column> {
        let output = match key {
            Expr::Value(value) => match &value.value {
                Value::Number(position, _) => {
                    let index = position.to_string().parse::<usize>().ok()?.checked_sub(1)?;
                    match select.projection.get(index)? {
                        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                            Some(expr)
                        }
                        _ => return None,
                    }
                }
                _ => None,
            },
            Expr::Identifier(name) => {
                let name = folded(name);
                select.projection.iter().find_map(|item| match item {
                    SelectItem::ExprWithAlias { expr, alias } if folded(alias) == name => {
                        Some(expr)
                    }
                    _ => None,
                })
            }
            _ => None,
        };
        scope.column(output.unwrap_or(key), &self.facts.tables)
    }

    /// Adds FROM items to the scope, and their join conditions to the facts.
    pub(super) fn from(&mut self, items: &[TableWithJoins], scope: &mut Scope<'_>) {
        let mut conditions = Vec::new();
        for item in items {
            self.joined(item, scope, &mut conditions);
        }
        // Only now, since a condition may name a table that comes after a comma or a bracket.
        for condition in conditions {
            self.condition(condition, scope);
        }
    }

    fn joined<'a>(
        &mut self,
        item: &'a TableWithJoins,
        scope: &mut Scope<'_>,
        conditions: &mut Vec<&'a Expr>,
    ) {
        self.factor(&item.relation, scope, conditions);
        for join in &item.joins {
            let before = scope.relations.len();
            self.factor(&join.relation, scope, conditions);
            match constraint(join) {
                Some(JoinConstraint::On(condition)) => conditions.push(condition),
                Some(JoinConstraint::Using(columns)) => self.using(columns, scope, before),
                _ => {}
            }
        }
    }

    /// `USING`: the right side is what was joined last; the left is known if there is just one.
    fn using(&mut self, columns: &[ObjectName], scope: &Scope<'_>, before: usize) {
        let (left, right) = scope.relations.split_at(before.min(scope.relations.len()));
        let single = |side: &[Relation]| match side {
            [only] => only.table,
            _ => None,
        };
        for column in columns {
            if let Some(name) = column.0.last().and_then(|part| part.as_ident()).map(folded) {
                self.facts.joins.push(JoinFact {
                    left: (single(left), name.clone()),
                    right: (single(right), name),
                });
            }
        }
    }

    pub(super) fn factor<'a>(
        &mut self,
        factor: &'a TableFactor,
        scope: &mut Scope<'_>,
        conditions: &mut Vec<&'a Expr>,
    ) {
        let relation = match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let alias_name = alias.as_ref().map(|alias| folded(&alias.name));
                match table_ref(name, alias.as_ref()) {
                    Some(table) if self.is_expression(&table) => {
                        Relation::new(alias_name.unwrap_or(table.name), None)
                    }
                    Some(table) => {
                        let shown = alias_name.unwrap_or_else(|| table.name.clone());
                        self.facts.tables.push(table);
                        Relation::new(shown, Some(self.facts.tables.len() - 1))
                    }
                    None => Relation::new(alias_name.unwrap_or_default(), None),
                }
            }
            TableFactor::Derived { subquery, alias, .. } => {
                // It may be LATERAL; where it is not, it names nothing of this scope.
                let around = std::mem::replace(&mut self.within_expression, false);
                self.query(subquery, Some(&*scope), false);
                self.within_expression = around;
                Relation::new(alias.as_ref().map(|a| folded(&a.name)).unwrap_or_default(), None)
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                return self.joined(table_with_joins, scope, conditions);
            }
            TableFactor::Table { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::UNNEST { alias, .. } => {
                Relation::new(alias.as_ref().map(|a| folded(&a.name)).unwrap_or_default(), None)
            }
            _ => Relation::new(String::new(), None),
        };
        scope.relations.push(relation);
    }
}

fn constraint(join: &Join) -> Option<&JoinConstraint> {
    match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}

fn has_limit(query: &Query) -> bool {
    let limit = match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) => limit.is_some(),
        Some(LimitClause::OffsetCommaLimit { .. }) => true,
        None => false,
    };
    limit || query.fetch.is_some()
}
