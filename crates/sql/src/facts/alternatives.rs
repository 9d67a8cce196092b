//! Conditions joined by OR.

use sqlparser::ast::{BinaryOperator, Expr};

use super::scope::bare;

/// More conditions than this in one OR are not compared with each other.
const MOST_CONDITIONS: usize = 64;

/// The conditions of an OR.
#[derive(Default)]
pub(super) struct Split<'a> {
    /// Those that every branch demands.
    pub(super) common: Vec<&'a Expr>,
    /// Those that some branch demands.
    pub(super) rest: Vec<&'a Expr>,
}

/// Takes an OR apart: `(a AND b) OR (a AND c)` demands a, and b or c.
pub(super) fn split(condition: &Expr) -> Split<'_> {
    let mut branches: Vec<Vec<&Expr>> = Vec::new();
    let mut conditions = 0usize;
    for branch in parts(condition, &BinaryOperator::Or) {
        let leaves = parts(branch, &BinaryOperator::And);
        conditions += leaves.len();
        if conditions > MOST_CONDITIONS {
            return Split::default();
        }
        branches.push(leaves);
    }
    let mut split = Split::default();
    let everywhere = |leaf: &Expr| branches.iter().all(|branch| branch.contains(&leaf));
    for (position, branch) in branches.iter().enumerate() {
        for leaf in branch {
            match (everywhere(leaf), position) {
                (true, 0) => split.common.push(leaf),
                (true, _) => {}
                // One level is enough: what is nested deeper no index answers alone.
                (false, _) if is_junction(leaf) => {}
                (false, _) => split.rest.push(leaf),
            }
        }
    }
    split
}

/// What `operator` joins, in the text's order.
fn parts<'a>(expression: &'a Expr, operator: &BinaryOperator) -> Vec<&'a Expr> {
    let mut found = Vec::new();
    let mut pending = vec![expression];
    while let Some(next) = pending.pop() {
        match bare(next) {
            Expr::BinaryOp { left, op, right } if op == operator => {
                pending.extend([&**right, left]);
            }
            leaf => found.push(leaf),
        }
    }
    found
}

fn is_junction(expression: &Expr) -> bool {
    matches!(expression, Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
}
