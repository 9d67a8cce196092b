//! Which names mean which tables in one query block.

use sqlparser::ast::{Expr, Ident, ObjectName, TableAlias};

use super::TableRef;

/// What a FROM item is.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// What columns are qualified with.
    name: String,
    /// Index into the tables; none for subqueries, functions and common table expressions.
    pub(super) table: Option<usize>,
}

impl Relation {
    pub(super) fn new(name: String, table: Option<usize>) -> Self {
        Self { name, table }
    }
}

/// The FROM items of a query block, and those of the blocks around it.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) outer: Option<&'a Scope<'a>>,
    pub(super) relations: Vec<Relation>,
}

/// A bare column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// None where only the catalogue can tell.
    pub(super) table: Option<usize>,
    pub(super) name: String,
}

impl Scope<'_> {
    /// The column that an expression is, parentheses aside; none if it is something else or belongs
    /// to what is not a table.
    pub(super) fn column(&self, expression: &Expr, tables: &[TableRef]) -> Option<Column> {
        match bare(expression) {
            Expr::Identifier(name) => self.unqualified(folded(name)),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] => self.qualified(None, &folded(table), folded(column), tables),
                [schema, table, column] => {
                    self.qualified(Some(folded(schema)), &folded(table), folded(column), tables)
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn unqualified(&self, name: String) -> Option<Column> {
        match self.relations.as_slice() {
            [only] => only.table.map(|table| Column { table: Some(table), name }),
            relations => relations
                .iter()
                .any(|relation| relation.table.is_some())
                .then_some(Column { table: None, name }),
        }
    }

    fn qualified(
        &self,
        schema: Option<String>,
        table: &str,
        column: String,
        tables: &[TableRef],
    ) -> Option<Column> {
        let mut scope = Some(self);
        while let Some(block) = scope {
            let found = block.relations.iter().find(|relation| {
                let known_schema = relation
                    .table
                    .and_then(|index| tables.get(index))
                    .and_then(|table| table.schema.as_ref());
                relation.name == table && (schema.is_none() || schema.as_ref() == known_schema)
            });
            if let Some(relation) = found {
                return relation.table.map(|table| Column { table: Some(table), name: column });
            }
            scope = block.outer;
        }
        None
    }
}

/// The expression inside any parentheses.
pub(super) fn bare(mut expression: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expression {
        expression = inner;
    }
    expression
}

/// A name as PostgreSQL folds it: to lower case unless it is quoted (manual, 4.1.1).
pub(super) fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_ascii_lowercase() }
}

/// A table's reference, of `table`, `schema.table` or `database.schema.table`.
pub(super) fn table_ref(name: &ObjectName, alias: Option<&TableAlias>) -> Option<TableRef> {
    let mut parts = name.0.iter().rev().map(|part| part.as_ident().map(folded));
    Some(TableRef {
        name: parts.next()??,
        schema: parts.next().flatten(),
        alias: alias.map(|alias| folded(&alias.name)),
    })
}
