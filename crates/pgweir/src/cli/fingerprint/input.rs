//! Statements from JSON lines or from SQL.

use std::io::BufRead;
use std::vec;

use anyhow::{Context, bail};

/// Where a line's statement may be.
const NAMES: [&str; 3] = ["sql", "query", "statement"];

/// The statements of one source.
pub(super) enum Input<'a, R> {
    Json { source: &'a mut R, name: &'a str, line: u64 },
    Sql(vec::IntoIter<Vec<u8>>),
}

impl<'a, R: BufRead> Input<'a, R> {
    /// Looks at how `source` begins: JSON lines begin with a brace, which no SQL does.
    pub(super) fn new(source: &'a mut R, name: &'a str) -> anyhow::Result<Self> {
        let reading = || format!("cannot read {name}");
        let begins =
            source.fill_buf().with_context(reading)?.trim_ascii_start().first() == Some(&b'{');
        if begins {
            return Ok(Self::Json { source, name, line: 0 });
        }
        let mut script = Vec::new();
        source.read_to_end(&mut script).with_context(reading)?;
        Ok(Self::Sql(sql::statements(&script).into_iter()))
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self, Self::Json { .. })
    }

    /// The statements of the next line, or the next statement; none at the end.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
        let (source, name, number) = match self {
            Self::Sql(statements) => return Ok(statements.next().map(|text| vec![text])),
            Self::Json { source, name, line } => (source, name, line),
        };
        loop {
            let mut line = Vec::new();
            let read = source.read_until(b'\n', &mut line);
            if read.with_context(|| format!("cannot read {name}"))? == 0 {
                return Ok(None);
            }
            *number += 1;
            if !line.trim_ascii().is_empty() {
                let text = statement(&line).with_context(|| format!("{name}, line {number}"))?;
                let found = sql::statements(text.as_bytes());
                // A line has an answer, even if there is nothing but a comment in it.
                let nothing = found.is_empty();
                return Ok(Some(if nothing { vec![text.into_bytes()] } else { found }));
            }
        }
    }
}

fn statement(line: &[u8]) -> anyhow::Result<String> {
    let mut object: serde_json::Value =
        serde_json::from_slice(line).context("this is no JSON object")?;
    for name in NAMES {
        if let Some(serde_json::Value::String(text)) =
            object.get_mut(name).map(|value| value.take())
        {
            return Ok(text);
        }
    }
    bail!("there is no text under {}", NAMES.map(|name| format!("{name:?}")).join(", "))
}
