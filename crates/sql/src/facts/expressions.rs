//! Walks over expressions without recursion: a chain of operators can be thousands deep.

use sqlparser::ast::{
    AccessExpr, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Subscript, Value,
};

/// What an expression is made of.
#[derive(Default)]
struct Parts<'a> {
    expressions: Vec<&'a Expr>,
    queries: Vec<&'a Query>,
    /// A kind of expression that is not looked into.
    opaque: bool,
}

/// The subqueries in an expression, themselves not looked into.
pub(super) fn subqueries(expression: &Expr) -> Vec<&Query> {
    let mut parts = Parts { expressions: vec![expression], ..Parts::default() };
    while let Some(next) = parts.expressions.pop() {
        parts.take(next);
    }
    parts.queries
}

/// Whether an expression has no columns, so that it is the same for every row of a table. A
/// subquery's columns are not counted.
pub(super) fn is_value(expression: &Expr) -> bool {
    let mut parts = Parts { expressions: vec![expression], ..Parts::default() };
    while let Some(next) = parts.expressions.pop() {
        if matches!(next, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            return false;
        }
        parts.take(next);
    }
    !parts.opaque
}

/// The columns in an expression, those of subqueries aside; none if it holds something unknown or
/// has more than `most` parts.
pub(super) fn columns(expression: &Expr, most: usize) -> Option<Vec<&Expr>> {
    let mut parts = Parts { expressions: vec![expression], ..Parts::default() };
    let mut columns = Vec::new();
    let mut seen = 0usize;
    while let Some(next) = parts.expressions.pop() {
        seen += 1;
        if seen > most {
            return None;
        }
        if matches!(next, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            columns.push(next);
        }
        parts.take(next);
    }
    (!parts.opaque).then_some(columns)
}

/// Whether there is a subquery in it.
pub(super) fn has_subquery(expression: &Expr) -> bool {
    !subqueries(expression).is_empty()
}

/// The text of a string constant, casts aside.
pub(super) fn string_constant(mut expression: &Expr) -> Option<&str> {
    loop {
        match expression {
            Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => expression = inner,
            Expr::Value(value) => {
                return match &value.value {
                    Value::SingleQuotedString(text)
                    | Value::EscapedStringLiteral(text)
                    | Value::UnicodeStringLiteral(text)
                    | Value::NationalStringLiteral(text) => Some(text),
                    Value::DollarQuotedString(quoted) => Some(&quoted.value),
                    _ => None,
                };
            }
            _ => return None,
        }
    }
}

impl<'a> Parts<'a> {
    fn take(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::Value(_)
            | Expr::TypedString(_)
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..) => {}
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::IsJson { expr: inner, .. }
            | Expr::IsNormalized { expr: inner, .. }
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::Cast { expr: inner, .. }
            | Expr::Extract { expr: inner, .. }
            | Expr::Ceil { expr: inner, .. }
            | Expr::Floor { expr: inner, .. }
            | Expr::Collate { expr: inner, .. }
            | Expr::Prefixed { value: inner, .. }
            | Expr::Named { expr: inner, .. }
            | Expr::Nested(inner) => self.expressions.push(inner),
            Expr::Interval(interval) => self.expressions.push(&interval.value),
            Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right)
            | Expr::InUnnest { expr: left, array_expr: right, .. }
            | Expr::BinaryOp { left, right, .. }
            | Expr::Like { expr: left, pattern: right, .. }
            | Expr::ILike { expr: left, pattern: right, .. }
            | Expr::SimilarTo { expr: left, pattern: right, .. }
            | Expr::RLike { expr: left, pattern: right, .. }
            | Expr::AnyOp { left, right, .. }
            | Expr::AllOp { left, right, .. }
            | Expr::AtTimeZone { timestamp: left, time_zone: right }
            | Expr::Position { expr: left, r#in: right } => {
                self.expressions.extend([&**left, right])
            }
            Expr::Between { expr, low, high, .. } => {
                self.expressions.extend([&**expr, low, high]);
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                self.expressions.push(expr);
                self.expressions.extend(substring_from.as_deref());
                self.expressions.extend(substring_for.as_deref());
            }
            Expr::Trim { expr, trim_what, trim_characters, .. } => {
                self.expressions.push(expr);
                self.expressions.extend(trim_what.as_deref());
                self.expressions.extend(trim_characters.iter().flatten());
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                self.expressions.extend([&**expr, overlay_what, overlay_from]);
                self.expressions.extend(overlay_for.as_deref());
            }
            Expr::Tuple(list) => self.expressions.extend(list),
            Expr::Array(array) => self.expressions.extend(&array.elem),
            Expr::InList { expr, list, .. } => {
                self.expressions.push(expr);
                self.expressions.extend(list);
            }
            Expr::Subquery(query) | Expr::Exists { subquery: query, .. } => {
                self.queries.push(query);
            }
            Expr::InSubquery { expr, subquery, .. } => {
                self.expressions.push(expr);
                self.queries.push(subquery);
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.expressions.extend(operand.as_deref());
                for when in conditions {
                    self.expressions.extend([&when.condition, &when.result]);
                }
                self.expressions.extend(else_result.as_deref());
            }
            Expr::Function(function) => {
                self.arguments(&function.args);
                self.expressions.extend(function.filter.as_deref());
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.expressions.push(root);
                for access in access_chain {
                    self.access(access);
                }
            }
            _ => self.opaque = true,
        }
    }

    fn arguments(&mut self, arguments: &'a FunctionArguments) {
        match arguments {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => self.queries.push(query),
            FunctionArguments::List(list) => {
                for argument in &list.args {
                    let (FunctionArg::Named { arg, .. }
                    | FunctionArg::ExprNamed { arg, .. }
                    | FunctionArg::Unnamed(arg)) = argument;
                    match arg {
                        FunctionArgExpr::Expr(expression) => self.expressions.push(expression),
                        _ => self.opaque = true,
                    }
                }
            }
        }
    }

    fn access(&mut self, access: &'a AccessExpr) {
        match access {
            // A field's name, not a column.
            AccessExpr::Dot(_) => {}
            AccessExpr::Subscript(Subscript::Index { index }) => self.expressions.push(index),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                self.expressions.extend(lower_bound);
                self.expressions.extend(upper_bound);
                self.expressions.extend(stride);
            }
        }
    }
}
