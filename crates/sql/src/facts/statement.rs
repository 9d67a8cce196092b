//! Statements: what each kind reads and writes.

use sqlparser::ast::{
    Delete, Expr, FromTable, Insert, Merge, ObjectName, Statement, TableAlias, TableFactor,
    TableObject, Update, UpdateTableFromKind,
};

use super::expressions::{columns, subqueries};
use super::scope::{Relation, Scope, table_ref};
use super::{Facts, TableRef, conditions};

/// Collects a statement's facts.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) facts: Facts,
    /// Names of the common table expressions in force.
    pub(super) expressions_named: Vec<String>,
    /// Inside a subquery of an expression, of which `*` takes nothing: EXISTS, mostly.
    pub(super) within_expression: bool,
}

/// Larger expressions are not searched for columns.
const MOST_PARTS: usize = 2_000;
/// Columns remembered of one statement.
const MOST_COLUMNS: usize = 200;

impl Collector {
    pub(super) fn collect(statement: &Statement) -> Facts {
        let mut collector = Self::default();
        collector.statement(statement, true);
        collector.facts
    }

    /// `outermost` is false for a statement within a common table expression.
    pub(super) fn statement(&mut self, statement: &Statement, outermost: bool) {
        match statement {
            Statement::Query(query) => self.query(query, None, outermost),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Merge(merge) => self.merge(merge),
            _ => return,
        }
        self.facts.writes |= !matches!(statement, Statement::Query(_));
    }

    /// Adds a table; says which one it is.
    pub(super) fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Option<usize> {
        let table = table_ref(name, alias)?;
        self.facts.tables.push(table);
        Some(self.facts.tables.len() - 1)
    }

    /// Whether a name in FROM is a common table expression's.
    pub(super) fn is_expression(&self, table: &TableRef) -> bool {
        table.schema.is_none() && self.expressions_named.contains(&table.name)
    }

    /// Collects from the subqueries in expressions.
    pub(super) fn subqueries<'a>(
        &mut self,
        expressions: impl IntoIterator<Item = &'a Expr>,
        scope: &Scope<'_>,
    ) {
        for expression in expressions {
            self.mention(expression, scope);
            for query in subqueries(expression) {
                let around = std::mem::replace(&mut self.within_expression, true);
                self.query(query, Some(scope), false);
                self.within_expression = around;
            }
        }
    }

    /// Notes the columns in an expression.
    pub(super) fn mention(&mut self, expression: &Expr, scope: &Scope<'_>) {
        for name in columns(expression, MOST_PARTS).into_iter().flatten() {
            if self.facts.columns.len() >= MOST_COLUMNS {
                return;
            }
            if let Some(column) = scope.column(name, &self.facts.tables) {
                let column = (column.table, column.name);
                if !self.facts.columns.contains(&column) {
                    self.facts.columns.push(column);
                }
            }
        }
    }

    /// Collects a condition's predicates and what is in its subqueries.
    pub(super) fn condition(&mut self, condition: &Expr, scope: &Scope<'_>) {
        conditions::collect(condition, scope, &mut self.facts);
        self.subqueries([condition], scope);
    }

    fn insert(&mut self, insert: &Insert) {
        if let TableObject::TableName(name) = &insert.table {
            self.table(name, None);
        }
        if let Some(source) = &insert.source {
            self.query(source, None, false);
        }
    }

    fn update(&mut self, update: &Update) {
        let mut scope = Scope::default();
        self.from(std::slice::from_ref(&update.table), &mut scope);
        match &update.from {
            Some(
                UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables),
            ) => self.from(tables, &mut scope),
            None => {}
        }
        self.subqueries(update.assignments.iter().map(|assignment| &assignment.value), &scope);
        if let Some(condition) = &update.selection {
            self.condition(condition, &scope);
        }
    }

    fn delete(&mut self, delete: &Delete) {
        let mut scope = Scope::default();
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        self.from(tables, &mut scope);
        if let Some(using) = &delete.using {
            self.from(using, &mut scope);
        }
        if let Some(condition) = &delete.selection {
            self.condition(condition, &scope);
        }
    }

    fn merge(&mut self, merge: &Merge) {
        let mut scope = Scope::default();
        let mut conditions = Vec::new();
        self.merge_table(&merge.table, &mut scope);
        self.factor(&merge.source, &mut scope, &mut conditions);
        for condition in conditions {
            self.condition(condition, &scope);
        }
        self.condition(&merge.on, &scope);
    }

    /// The table that is written to is one whatever the common table expressions are called.
    fn merge_table(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) {
        if let TableFactor::Table { name, alias, .. } = factor {
            let index = self.table(name, alias.as_ref());
            let table = index.and_then(|index| self.facts.tables.get(index));
            let shown = table.map(|table| table.alias.as_ref().unwrap_or(&table.name).clone());
            scope.relations.push(Relation::new(shown.unwrap_or_default(), index));
        }
    }
}
