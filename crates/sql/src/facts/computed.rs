//! Conditions on what is computed from columns, and whether an index on the expression can answer
//! them.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator,
    Value, visit_expressions_mut,
};

use super::expressions::{columns, has_subquery, is_value};
use super::scope::{Column, Scope, bare, folded};
use super::stability::{PLAIN_TYPES, Stability, type_name};
use super::{ComputedPredicate, Operator, TableRef};

/// Larger expressions are not worth an index, and must not be walked recursively.
const MOST_PARTS: usize = 24;
/// Functions that give the same for the same input, whatever the session's settings; to_tsvector where
/// it names its configuration.
const IMMUTABLE: [&str; 17] = [
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
    let stability = stability(expression);
    if stability == Stability::Unsure && !is_calculated(expression) {
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
        stability,
    })
}

/// What an index on the expression could not answer, but a condition on the column might.
fn is_calculated(expression: &Expr) -> bool {
    match bare(expression) {
        Expr::Function(function) => function.filter.is_none() && function.over.is_none(),
        Expr::BinaryOp { right, op, .. } => {
            matches!(
                op,
                BinaryOperator::Plus
                    | BinaryOperator::Minus
                    | BinaryOperator::Multiply
                    | BinaryOperator::Divide
            ) || (is_path(op) && is_value(right))
        }
        Expr::Cast { .. } | Expr::Substring { .. } | Expr::Trim { .. } | Expr::Extract { .. } => {
            true
        }
        _ => false,
    }
}

/// The path into a document.
fn is_path(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Arrow
            | BinaryOperator::LongArrow
            | BinaryOperator::HashArrow
            | BinaryOperator::HashLongArrow
    )
}

/// Whether the server takes an index on the expression, whose parts are few.
fn stability(expression: &Expr) -> Stability {
    match bare(expression) {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::TypedString(_) => {
            Stability::Immutable
        }
        Expr::Value(value) => match value.value {
            // Not known, and an index cannot have it.
            Value::Placeholder(_) => Stability::Unsure,
            _ => Stability::Immutable,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => stability(expr),
        Expr::Function(function) if function.filter.is_none() && function.over.is_none() => {
            of_function(function)
        }
        Expr::Substring { expr, substring_from, substring_for, .. } => of_all(
            [Some(&**expr), substring_from.as_deref(), substring_for.as_deref()]
                .into_iter()
                .flatten(),
        ),
        Expr::Trim { expr, trim_what, trim_characters, .. } => of_all(
            [Some(&**expr), trim_what.as_deref()]
                .into_iter()
                .flatten()
                .chain(trim_characters.iter().flatten()),
        ),
        Expr::Extract { expr, .. } if is_column(expr) => Stability::Extract,
        Expr::BinaryOp { left, op, right } if is_path(op) && is_value(right) => {
            of_all([&**left, right].into_iter())
        }
        Expr::Cast { expr, data_type, .. } => {
            let target = type_name(&data_type.to_string());
            match bare(expr) {
                inner if is_column(inner) => Stability::Cast(target),
                // A constant is converted once, before the index is made.
                Expr::Value(_) => stability(expr),
                inner if is_text(inner) && PLAIN_TYPES.contains(&target.as_str()) => {
                    stability(inner)
                }
                _ => Stability::Unsure,
            }
        }
        _ => Stability::Unsure,
    }
}

fn of_function(function: &Function) -> Stability {
    let name = match function.name.0.as_slice() {
        [only] => only.as_ident().map(folded),
        _ => None,
    };
    let FunctionArguments::List(list) = &function.args else { return Stability::Unsure };
    let arguments: Option<Vec<&Expr>> = list
        .args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
            _ => None,
        })
        .collect();
    let (Some(name), Some(arguments)) = (name, arguments) else { return Stability::Unsure };
    match (name.as_str(), arguments.as_slice()) {
        ("date_trunc", [unit, moment]) if is_column(moment) => match stability(unit) {
            Stability::Immutable => Stability::DateTrunc,
            _ => Stability::Unsure,
        },
        // With one it depends on default_text_search_config.
        ("date_trunc", _) | ("to_tsvector", [] | [_]) => Stability::Unsure,
        (name, _) if IMMUTABLE.contains(&name) => of_all(arguments.into_iter()),
        _ => Stability::Unsure,
    }
}

/// That of what is computed from all of these.
fn of_all<'a>(mut parts: impl Iterator<Item = &'a Expr>) -> Stability {
    let combined =
        parts.try_fold(Stability::Immutable, |known, part| match (known, stability(part)) {
            (_, Stability::Unsure) => None,
            (known, Stability::Immutable) => Some(known),
            (Stability::Immutable, other) => Some(other),
            // Two columns' types would have to be looked at.
            _ => None,
        });
    combined.unwrap_or(Stability::Unsure)
}

fn is_column(expression: &Expr) -> bool {
    matches!(bare(expression), Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// Whether it gives a text, whatever is in it.
fn is_text(expression: &Expr) -> bool {
    match bare(expression) {
        Expr::BinaryOp { op, .. } => {
            matches!(op, BinaryOperator::LongArrow | BinaryOperator::HashLongArrow)
        }
        Expr::Trim { .. } => true,
        _ => false,
    }
}
