//! What names mean, and what an expression has become.

use crate::table::Kind;

/// An expression for SQLite.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// In SQLite's words.
    pub(crate) sql: String,
    /// Its type; none where that is still open: a literal in quotes, NULL, a parameter.
    pub(crate) kind: Option<Kind>,
    /// What it was.
    pub(crate) source: Source,
}

/// What an expression was, where that matters to what it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Anything else.
    Other,
    /// A text in quotes.
    Literal(String),
    /// `$1` is 0.
    Parameter(usize),
    /// An interval that was written out: months, and the rest in µs.
    Interval(i32, i64),
}

impl Piece {
    pub(crate) fn new(sql: impl Into<String>, kind: Kind) -> Self {
        Self { sql: sql.into(), kind: Some(kind), source: Source::Other }
    }

    pub(crate) fn null() -> Self {
        Self { sql: "NULL".to_owned(), kind: None, source: Source::Other }
    }
}

/// What a FROM item, or a common table expression, has.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) columns: Vec<(String, Option<Kind>)>,
    /// A table of PostgreSQL's catalogue: columns that the console does not have of it are NULL.
    pub(super) lenient: bool,
    /// Columns that USING has merged with those of a relation before.
    pub(super) merged: Vec<String>,
}

impl Relation {
    pub(super) fn column(&self, name: &str) -> Option<Option<Kind>> {
        self.columns.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind)
    }
}

/// The names in sight.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) relations: Vec<Relation>,
    /// The names that the select list gives, for ORDER BY, GROUP BY and HAVING.
    pub(super) outputs: Vec<(String, Option<Kind>)>,
    pub(super) outer: Option<&'a Scope<'a>>,
}

/// What a name was found to be.
pub(super) enum Found {
    /// A column of a relation.
    Column(String, Option<Kind>),
    /// A name of the select list.
    Output(Option<Kind>),
    /// A column that the console does not have of a catalogue table.
    Missing,
    /// It is in several relations.
    Ambiguous,
}

impl<'a> Scope<'a> {
    pub(super) fn inside(outer: Option<&'a Scope<'a>>) -> Self {
        Self { outer, ..Self::default() }
    }

    /// A column without its relation's name.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        let mut found = self.relations.iter().filter_map(|relation| {
            let kind = relation.column(name)?;
            let merged = relation.merged.iter().any(|merged| merged == name);
            (!merged).then(|| Found::Column(relation.name.clone(), kind))
        });
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => return Some(Found::Ambiguous),
            (Some(column), None) => return Some(column),
            (None, _) => {}
        }
        if let Some((_, kind)) = self.outputs.iter().find(|(output, _)| output == name) {
            return Some(Found::Output(*kind));
        }
        if let Some(outer) = self.outer.and_then(|outer| outer.find(name)) {
            return Some(outer);
        }
        self.relations.iter().any(|relation| relation.lenient).then_some(Found::Missing)
    }

    /// A column of the relation called `relation`; none where there is no such relation.
    pub(super) fn find_in(&self, relation: &str, name: &str) -> Option<Option<Found>> {
        match self.relations.iter().find(|candidate| candidate.name == relation) {
            Some(found) => Some(match found.column(name) {
                Some(kind) => Some(Found::Column(relation.to_owned(), kind)),
                None => found.lenient.then_some(Found::Missing),
            }),
            None => self.outer?.find_in(relation, name),
        }
    }

    /// All column names in sight, for hints.
    pub(super) fn column_names(&self) -> Vec<&str> {
        let columns = self.relations.iter().flat_map(|relation| &relation.columns);
        columns.map(|(name, _)| name.as_str()).collect()
    }
}
