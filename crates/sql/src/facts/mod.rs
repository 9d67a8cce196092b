//! What a statement touches, read from its text by sqlparser. The cold path.

mod alternatives;
mod block;
mod computed;
mod conditions;
mod expressions;
mod parse;
mod scope;
mod stability;
mod statement;

use serde::{Deserialize, Serialize};

pub use parse::facts;
pub use stability::Stability;

/// The parser could not read the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the statement could not be parsed: {reason}")]
pub struct Unparsed {
    /// The parser's words.
    pub reason: String,
}

/// What a statement touches. Names are folded as PostgreSQL folds them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Tables, in order of appearance, those of subqueries too; a table named twice is here twice.
    /// Names of common table expressions are not tables.
    pub tables: Vec<TableRef>,
    /// Conditions that compare a bare column with something that has no columns, and that must hold
    /// for a row to count: they are joined by AND at the top of a WHERE or ON. Subqueries' too.
    pub predicates: Vec<Predicate>,
    /// The same for conditions of which one of several must hold (OR), where not all of them do.
    pub alternatives: Vec<Predicate>,
    /// Conditions as in `predicates`, but on what is computed from one table's columns.
    pub computed: Vec<ComputedPredicate>,
    /// Equalities between columns of different tables, in the same places, and USING.
    pub joins: Vec<Join>,
    /// Every column that is named anywhere, each once: table, where the text tells it, and name.
    pub columns: Vec<(Option<usize>, String)>,
    /// Tables of which `*` takes all columns.
    pub whole: Vec<usize>,
    /// The outermost ORDER BY's keys, up to the first one that is not a bare column.
    pub order_by: Vec<OrderKey>,
    /// GROUP BY's bare columns, subqueries' too: table, where the text tells it, and name.
    pub group_by: Vec<(Option<usize>, String)>,
    /// Whether the outermost query has a LIMIT or FETCH FIRST.
    pub limit: bool,
    /// Whether the outermost select list has `*` or `name.*`.
    pub selects_star: bool,
    /// Whether it changes rows.
    pub writes: bool,
}

/// A table named in the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRef {
    /// Its schema, where the text gives it.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// Its alias in this statement.
    pub alias: Option<String>,
}

/// A condition on one column.
///
/// A column without its table's name is taken for the innermost query's if that has a single table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicate {
    /// Index into [`Facts::tables`]; none where only the catalogue can tell.
    pub table: Option<usize>,
    /// The column.
    pub column: String,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with where that is a plain constant, as SQL. A normalised text has none.
    pub constant: Option<String>,
}

/// A condition on an expression over columns of one table, such as `lower(email) = $1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputedPredicate {
    /// Index into [`Facts::tables`]; none where only the catalogue can tell.
    pub table: Option<usize>,
    /// The expression as SQL, its columns without their table's name.
    pub expression: String,
    /// The columns in it.
    pub columns: Vec<String>,
    /// How it is compared.
    pub operator: Operator,
    /// Whether an index can be on the expression: it is simple, and gives the same for the same values
    /// for ever.
    pub stability: Stability,
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// `=`.
    Equal,
    /// `IN (…)`, `= ANY (…)`.
    In,
    /// `<`, `<=`, `>`, `>=`, `BETWEEN`.
    Range,
    /// `LIKE`, `ILIKE`.
    Like {
        /// Whether the pattern begins with a wildcard; none where the pattern is a parameter.
        leading_wildcard: Option<bool>,
        /// `ILIKE`.
        case_insensitive: bool,
    },
    /// `IS NULL`.
    IsNull,
    /// `@>`, `<@`, `&&`, `?`, `?|`, `?&`: arrays, ranges, jsonb.
    Contains,
    /// `@@`: text search.
    Matches,
    /// A boolean column by itself, or `IS TRUE`.
    IsTrue,
    /// Any other.
    Other,
}

/// Two columns that must be equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// One side: table, where the text tells it, and column.
    pub left: (Option<usize>, String),
    /// The other.
    pub right: (Option<usize>, String),
}

/// A key of ORDER BY.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderKey {
    /// Index into [`Facts::tables`]; none where only the catalogue can tell.
    pub table: Option<usize>,
    /// The column.
    pub column: String,
    /// `DESC`.
    pub descending: bool,
}

#[cfg(test)]
mod tests;
