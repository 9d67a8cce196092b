//! Conditions on what is computed from columns, and whether an index on the expression can answer
//! them.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, visit_expressions_mut};

use super::expressions::{columns, has_subquery, is_value};
use super::scope::{Column, Scope, bare, folded};
use super::{ComputedPredicate, Operator, TableRef};

/// Larger expressions are not worth an index, and must not be walked recursively.
const MOST_PARTS: usize = 24;
/// Functions that give the same for the same input, whatever the session's settings. Of date_trunc
/// and to_tsvector only some forms do; the server refuses an index on the others.
const IMMUTABLE: [&str; 18] = [
    "lower",
    "upper",
    "btrim",
    "ltrim",
    "rtrim",
    "length",
    "char_length",
    "substr",
    "substring",
    "left",
    "right",
    "abs",
    "round",
    "md5",
    "reverse",
    "coalesce",
    "date_trunc",
    "to_tsvector",
];

/// The condition, if it is on something computed from one table's columns.
pub(super) fn computed(
    expression: &Expr,
    operator: Operator,
    scope: &Scope<'_>,
    tables: &[TableRef],
) -> Option<ComputedPredicate> {
    let expression = bare(expression);
    if operator == Operator::Other || has_subquery(expression) {
        return None;
    }
    let named = columns(expression, MOST_PARTS)?;
    let immutable = is_immutable(expression);
    if !immutable && !is_calculated(expression) {
        return None;
    }
    let mut found: Vec<Column> = Vec::new();
    for name in named {
        let column = scope.column(name, tables)?;
        if !found.contains(&column) {
            found.push(column);
        }
    }
    let table = found.first()?.table;
    if found.iter().any(|column| column.table != table) {
        return None;
    }
    let mut unqualified = expression.clone();
    let _walked = visit_expressions_mut(&mut unqualified, |part| {
        if let Expr::CompoundIdentifier(names) = part
            && let Some(column) = names.last().cloned()
        {
            *part = Expr::Identifier(column);
        }
        ControlFlow::<()>::Continue(())
    });
    Some(ComputedPredicate {
        table,
        expression: unqualified.to_string(),
        columns: found.into_iter().map(|column| column.name).collect(),
        operator,
        immutable,
    })
}

/// What an index on the expression could not answer, but a condition on the column might.
fn is_calculated(expression: &Expr) -> bool {
    match bare(expression) {
        Expr::Function(function) => function.filter.is_none() && function.over.is_none(),
        Expr::BinaryOp { op, .. } => matches!(
            op,
            BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
        ),
        Expr::Cast { .. } => true,
        _ => false,
    }
}

fn is_immutable(expression: &Expr) -> bool {
    match bare(expression) {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Function(function) => {
            let name = match function.name.0.as_slice() {
                [only] => only.as_ident().map(folded),
                _ => None,
            };
            name.is_some_and(|name| IMMUTABLE.contains(&name.as_str()))
                && function.filter.is_none()
                && function.over.is_none()
        }
        Expr::Substring { .. } | Expr::Trim { .. } | Expr::Extract { .. } => true,
        // The path into a document, or `first || last`.
        Expr::BinaryOp { left, op, right } => {
            let path = matches!(
                op,
                BinaryOperator::Arrow
                    | BinaryOperator::LongArrow
                    | BinaryOperator::HashArrow
                    | BinaryOperator::HashLongArrow
            );
            path && is_value(right) && is_immutable(left)
        }
        Expr::Cast { expr, .. } => is_immutable(expr),
        _ => false,
    }
}
