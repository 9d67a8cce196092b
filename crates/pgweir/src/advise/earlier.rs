//! What became of an earlier advice: which of its indexes exist, and what was measured since.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use insight::advisor::{WorkloadStatement, is_built};
use model::{DatabaseFacts, IndexCandidate};
use serde::{Deserialize, Serialize};

use super::document::{Document, SCHEMA};

/// An earlier advice.
pub(super) struct Earlier(Document);

/// What became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Since {
    /// Indexes that exist by now.
    pub(crate) built: Vec<Built>,
    /// Indexes that do not.
    pub(crate) not_built: Vec<String>,
}

/// An index that was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Built {
    /// Its DDL.
    pub(crate) sql: String,
    /// The statements that it was for.
    pub(crate) effects: Vec<Effect>,
}

/// What a statement takes now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Effect {
    /// The statement.
    pub(crate) name: String,
    /// Mean of a call when the advice was given, ms.
    pub(crate) before_ms: f64,
    /// Mean of a call now, ms.
    pub(crate) now_ms: f64,
}

/// Reads an advice that was written with `--format json`.
///
/// # Errors
/// When it cannot be read or is something else.
pub(super) fn read(file: &Path) -> anyhow::Result<Earlier> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let document: Document = serde_json::from_str(&text)
        .map_err(|error| anyhow!("{} is no advice in JSON: {error}", file.display()))?;
    if document.schema != SCHEMA {
        return Err(anyhow!("{} is no {SCHEMA}", file.display()));
    }
    Ok(Earlier(document))
}

impl Earlier {
    /// Compares it with what is now.
    pub(super) fn since(&self, database: &DatabaseFacts, now: &[WorkloadStatement]) -> Since {
        let mut since = Since { built: Vec::new(), not_built: Vec::new() };
        let before_ms = |name: &str| {
            self.0.statements.iter().find(|one| one.name == name).and_then(|one| one.mean_ms)
        };
        let now_ms = |name: &str| {
            let one = now.iter().find(|one| one.name == name)?;
            Some(one.measured_ms? / one.calls)
        };
        for build in &self.0.build {
            let index = IndexCandidate {
                schema: build.schema.clone(),
                table: build.table.clone(),
                expression: build.expression.clone(),
                columns: build.columns.clone(),
                include: build.include.clone(),
                operator_class: build.operator_class.clone(),
                ..IndexCandidate::default()
            };
            if !is_built(database, &index) {
                since.not_built.push(build.sql.clone());
                continue;
            }
            let effect = |name: &String| {
                let (before_ms, now_ms) = (before_ms(name)?, now_ms(name)?);
                Some(Effect { name: name.clone(), before_ms, now_ms })
            };
            let effects = build.statements.iter().filter_map(effect).collect();
            since.built.push(Built { sql: build.sql.clone(), effects });
        }
        since
    }
}
