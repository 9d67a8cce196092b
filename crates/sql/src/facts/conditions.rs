//! Predicates and joins from the conditions of WHERE and ON.

use sqlparser::ast::{BinaryOperator, Expr, Value};

use super::computed::computed;
use super::expressions::{is_value, string_constant};
use super::scope::{Column, Scope, bare};
use super::{Facts, Join, Operator, Predicate, alternatives};

/// Longer strings, bytes, are no states that an index could be made for.
const LONGEST_CONSTANT: usize = 40;

/// Adds what must hold for `condition` to hold: the parts that AND joins, at the top.
pub(super) fn collect(condition: &Expr, scope: &Scope<'_>, facts: &mut Facts) {
    let mut pending = vec![condition];
    while let Some(next) = pending.pop() {
        match bare(next) {
            // The right side is looked at later, so that the facts come in the text's order.
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                pending.extend([&**right, left]);
            }
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => {
                let split = alternatives::split(next);
                // The planner takes out what all branches demand (`canonicalize_qual`).
                pending.extend(split.common);
                for leaf in split.rest {
                    Conjunct { scope, facts, alternative: true }.collect(leaf);
                }
            }
            conjunct => Conjunct { scope, facts, alternative: false }.collect(conjunct),
        }
    }
}

struct Conjunct<'a, 'b> {
    scope: &'a Scope<'b>,
    facts: &'a mut Facts,
    /// It need not hold.
    alternative: bool,
}

impl Conjunct<'_, '_> {
    fn collect(&mut self, conjunct: &Expr) {
        match conjunct {
            Expr::BinaryOp { left, op, right } => self.comparison(left, op, right),
            Expr::InList { expr, list, negated } => {
                let operator = unless(*negated, Operator::In);
                if list.iter().all(is_value) {
                    self.each_column(expr, operator);
                }
            }
            Expr::InSubquery { expr, negated, .. } => {
                self.each_column(expr, unless(*negated, Operator::In));
            }
            Expr::AnyOp { left, compare_op, right, .. } if is_value(right) => {
                let operator = match compare_op {
                    BinaryOperator::Eq => Operator::In,
                    _ => Operator::Other,
                };
                self.predicate(left, operator);
            }
            Expr::Between { expr, negated, low, high } if is_value(low) && is_value(high) => {
                self.predicate(expr, unless(*negated, Operator::Range));
            }
            Expr::Like { negated, expr, pattern, .. } if is_value(pattern) => {
                self.predicate(expr, unless(*negated, like(pattern, false)));
            }
            Expr::ILike { negated, expr, pattern, .. } if is_value(pattern) => {
                self.predicate(expr, unless(*negated, like(pattern, true)));
            }
            Expr::IsNull(expr) => self.predicate(expr, Operator::IsNull),
            Expr::IsTrue(expr) => self.predicate(expr, Operator::IsTrue),
            Expr::IsNotNull(expr)
            | Expr::IsNotTrue(expr)
            | Expr::IsFalse(expr)
            | Expr::IsNotFalse(expr) => self.predicate(expr, Operator::Other),
            Expr::IsNotDistinctFrom(expr, value) | Expr::IsDistinctFrom(expr, value)
                if is_value(value) =>
            {
                self.predicate(expr, Operator::Other);
            }
            // A boolean column by itself.
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                self.predicate(conjunct, Operator::IsTrue);
            }
            _ => {}
        }
    }

    fn comparison(&mut self, left: &Expr, operator: &BinaryOperator, right: &Expr) {
        if let (Expr::Tuple(left), Expr::Tuple(right)) = (bare(left), bare(right)) {
            return self.rows(left, operator, right);
        }
        let sides = (self.column(left), self.column(right));
        if let (Some(left), Some(right)) = sides {
            if *operator == BinaryOperator::Eq {
                self.join(left, right);
            }
        } else if is_value(right) {
            self.compared(left, meaning(operator, right), Some(right));
        } else if is_value(left) {
            // `'x' LIKE pattern_column` is no condition that an index on the column helps.
            let operator = match meaning(operator, left) {
                Operator::Like { .. } => Operator::Other,
                operator => operator,
            };
            self.compared(right, operator, Some(left));
        }
    }

    /// `(a, b) = (1, 2)` is two conditions; of `(a, b) > (1, 2)` only that on the first is certain.
    fn rows(&mut self, left: &[Expr], operator: &BinaryOperator, right: &[Expr]) {
        let certain = match operator {
            BinaryOperator::Eq => left.len(),
            BinaryOperator::NotEq => 0,
            _ => 1,
        };
        for (left, right) in left.iter().zip(right).take(certain) {
            self.comparison(left, operator, right);
        }
    }

    fn join(&mut self, left: Column, right: Column) {
        if self.alternative {
            return;
        }
        // Two columns of one table are no join; where a table is not known they may be. In a
        // subquery, a bare name may be a column of a query around it.
        let correlated = self.scope.outer.is_some() && left.name != right.name;
        if left.table.is_none() || left.table != right.table || correlated {
            self.facts
                .joins
                .push(Join { left: (left.table, left.name), right: (right.table, right.name) });
        }
    }

    /// A predicate on a column, or on each column of a row.
    fn each_column(&mut self, expression: &Expr, operator: Operator) {
        match bare(expression) {
            Expr::Tuple(columns) => {
                for column in columns {
                    self.predicate(column, operator);
                }
            }
            column => self.predicate(column, operator),
        }
    }

    fn predicate(&mut self, expression: &Expr, operator: Operator) {
        self.compared(expression, operator, None);
    }

    fn compared(&mut self, expression: &Expr, operator: Operator, value: Option<&Expr>) {
        if let Some(Column { table, name: column }) = self.column(expression) {
            let constant = value.and_then(constant);
            let predicate = Predicate { table, column, operator, constant };
            if self.alternative {
                self.facts.alternatives.push(predicate);
            } else {
                self.facts.predicates.push(predicate);
            }
        } else if !self.alternative
            && let Some(found) = computed(expression, operator, self.scope, &self.facts.tables)
        {
            self.facts.computed.push(found);
        }
    }

    fn column(&self, expression: &Expr) -> Option<Column> {
        self.scope.column(expression, &self.facts.tables)
    }
}

fn meaning(operator: &BinaryOperator, value: &Expr) -> Operator {
    match operator {
        BinaryOperator::Eq => Operator::Equal,
        BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq => {
            Operator::Range
        }
        BinaryOperator::AtArrow
        | BinaryOperator::ArrowAt
        | BinaryOperator::PGOverlap
        | BinaryOperator::Question
        | BinaryOperator::QuestionAnd
        | BinaryOperator::QuestionPipe => Operator::Contains,
        BinaryOperator::AtAt => Operator::Matches,
        BinaryOperator::PGLikeMatch => like(value, false),
        BinaryOperator::PGILikeMatch => like(value, true),
        _ => Operator::Other,
    }
}

/// A plain constant as SQL: a number, a short string, a boolean.
fn constant(value: &Expr) -> Option<String> {
    match bare(value) {
        Expr::Value(value) => match &value.value {
            Value::Number(..) | Value::Boolean(_) => Some(value.to_string()),
            Value::SingleQuotedString(text) if text.len() <= LONGEST_CONSTANT => {
                Some(value.to_string())
            }
            _ => None,
        },
        _ => None,
    }
}

fn like(pattern: &Expr, case_insensitive: bool) -> Operator {
    let leading_wildcard = string_constant(pattern)
        // Empty: a stand-in for a parameter.
        .filter(|pattern| !pattern.is_empty())
        .map(|pattern| pattern.starts_with(['%', '_']));
    Operator::Like { leading_wildcard, case_insensitive }
}

fn unless(negated: bool, operator: Operator) -> Operator {
    if negated { Operator::Other } else { operator }
}
