//! What a statement is.

use std::collections::BTreeSet;
use std::fmt::Write;

use model::{FingerprintId, ShapeId, StrictId};
use serde::Serialize;
use sql::{Facts, ShapeRegistry, TableRef, Tags};

/// One statement's ids and what they are of.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Described {
    pub(super) strict: StrictId,
    pub(super) fingerprint: FingerprintId,
    shape: ShapeId,
    /// Ids of one version can be compared.
    version: u64,
    class: &'static str,
    text: String,
    /// sqlparser could read it; where it could not, tables are found by the words before them.
    parsed: bool,
    tables: Vec<String>,
    /// Columns that are searched, joined, sorted or grouped by.
    columns: Vec<String>,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    tags: Tags,
    /// All statements of a line with several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) statements: Vec<Described>,
}

impl Described {
    /// What `text` is: one statement, with the comments around it.
    pub(super) fn new(registry: &mut ShapeRegistry, text: &[u8]) -> Self {
        let mut shape = registry.observe_one(text).shape;
        if shape.id == ShapeId::OTHERS {
            // It remembers no more. Here it only saves work, so that a fresh one does as well.
            *registry = ShapeRegistry::new(super::SHAPES);
            shape = registry.observe_one(text).shape;
        }
        let normalised = shape.text();
        let facts = sql::facts(normalised);
        let parsed = facts.is_ok();
        let facts = facts.unwrap_or_default();
        let tables = if facts.tables.is_empty() {
            sql::tables_named(normalised)
        } else {
            facts.tables.clone()
        };
        Self {
            strict: sql::strict_id(text.trim_ascii(), &shape),
            fingerprint: shape.fingerprint(),
            shape: shape.id,
            version: sql::IDS_VERSION,
            class: shape.class.name(),
            text: normalised.to_string(),
            parsed,
            tables: named(&tables),
            columns: columns(&facts),
            tags: sql::tags(text),
            statements: Vec::new(),
        }
    }

    /// For people; `count` is the number of such statements.
    pub(super) fn text(&self, count: Option<u64>) -> String {
        let mut text = String::new();
        let count = count.map(|count| format!("{count:>8} × ")).unwrap_or_default();
        let _infallible = writeln!(
            text,
            "{count}{}  strict {}  {}{}",
            self.fingerprint,
            self.strict,
            self.class,
            if self.parsed { "" } else { "  (not parsed)" }
        );
        let _infallible = writeln!(text, "  {}", self.text);
        let tags: Vec<_> =
            self.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for (name, list) in [("tables", &self.tables), ("columns", &self.columns), ("tags", &tags)]
        {
            if !list.is_empty() {
                let _infallible = writeln!(text, "  {name:<7} {}", list.join(", "));
            }
        }
        text.push('\n');
        text
    }
}

fn name_of(table: &TableRef) -> String {
    match &table.schema {
        Some(schema) => format!("{schema}.{}", table.name),
        None => table.name.clone(),
    }
}

fn named(tables: &[TableRef]) -> Vec<String> {
    tables.iter().map(name_of).collect::<BTreeSet<_>>().into_iter().collect()
}

fn columns(facts: &Facts) -> Vec<String> {
    let predicates = facts.predicates.iter().map(|one| (one.table, &one.column));
    let joins = facts.joins.iter().flat_map(|join| [&join.left, &join.right]);
    let joins = joins.map(|(table, column)| (*table, column));
    let order = facts.order_by.iter().map(|key| (key.table, &key.column));
    let group = facts.group_by.iter().map(|(table, column)| (*table, column));
    let names =
        predicates.chain(joins).chain(order).chain(group).map(|(table, column)| {
            match table.and_then(|index| facts.tables.get(index)) {
                Some(table) => format!("{}.{column}", name_of(table)),
                None => column.clone(),
            }
        });
    names.collect::<BTreeSet<_>>().into_iter().collect()
}
