//! `pgweir fingerprint`.

mod describe;
mod input;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use sql::ShapeRegistry;

use describe::Described;
use input::Input;

/// What the output looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FingerprintFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What `pgweir fingerprint` takes.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Input is SQL, split at semicolons as psql does (its \\ commands and COPY's data are left out), or JSON \
lines with the statement under \"sql\", \"query\" or \"statement\". JSON in gives JSON out, one line for \
each; a line with several statements has the ids of the last, and all of them under \"statements\".

  strict       statements that pg_stat_statements of PostgreSQL 15 counts
               together: constants are left out, but not their types nor how
               many there are in a list
  fingerprint  constants' types and the lengths of lists do not count either:
               one id for what one place in the application sends. The ids that
               `pgweir report` shows.

Neither asks a server, so that what only the catalogue knows (what * stands for, which schema a table \
is in) is taken as it is written. docs/fingerprints.md says how far that agrees with PostgreSQL.

Examples:
  pgweir fingerprint queries.sql
  echo \"select * from orders o where o.id = 5\" | pgweir fingerprint
  pgweir fingerprint --group app.log.jsonl
  psql -XAtc \"select json_build_object('query', query) from pg_stat_statements\" | pgweir fingerprint")]
pub struct FingerprintArguments {
    /// Files to read; - and none are standard input.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// What the output looks like [default: json for JSON lines, else text].
    #[arg(long, value_enum)]
    pub format: Option<FingerprintFormat>,

    /// One entry for each fingerprint, with the number of its statements, the most frequent first.
    #[arg(long)]
    pub group: bool,
}

/// Shapes remembered, so that a statement that comes again is not worked out again.
const SHAPES: usize = 20_000;

impl FingerprintArguments {
    /// Reads the statements and writes what they are to `out`.
    ///
    /// # Errors
    /// When an input cannot be read, or a line of JSON has no statement; the message says which.
    pub fn execute(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let result = self.write(out).and_then(|()| out.flush().map_err(Into::into));
        match result {
            // A reader that has seen enough (`| head`) is no error.
            Err(error) if is_broken_pipe(&error) => Ok(()),
            result => result,
        }
    }

    fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut session = Session {
            registry: ShapeRegistry::new(SHAPES),
            format: self.format,
            groups: self.group.then(Groups::default),
            out,
        };
        let stdin = PathBuf::from("-");
        let files = if self.files.is_empty() { std::slice::from_ref(&stdin) } else { &self.files };
        for file in files {
            if file.as_os_str() == "-" {
                if io::stdin().is_terminal() {
                    eprint_hint();
                }
                session.read(&mut io::stdin().lock(), "standard input")?;
            } else {
                let name = file.display().to_string();
                let opened = File::open(file).with_context(|| format!("cannot open {name}"))?;
                session.read(&mut BufReader::new(opened), &name)?;
            }
        }
        session.finish()
    }
}

#[expect(clippy::print_stderr, reason = "someone waits at the terminal, and so do we")]
fn eprint_hint() {
    eprintln!("Reading statements from the terminal; end with Ctrl-D.");
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Fingerprints counted, in the order of their first statement.
#[derive(Debug, Default)]
struct Groups {
    index: HashMap<String, usize>,
    found: Vec<(u64, Described)>,
}

struct Session<'o, W> {
    registry: ShapeRegistry,
    format: Option<FingerprintFormat>,
    groups: Option<Groups>,
    out: &'o mut W,
}

impl<W: Write> Session<'_, W> {
    fn read(&mut self, source: &mut impl BufRead, name: &str) -> anyhow::Result<()> {
        let mut input = Input::new(source, name)?;
        let default =
            if input.is_json() { FingerprintFormat::Json } else { FingerprintFormat::Text };
        let format = *self.format.get_or_insert(default);
        while let Some(statements) = input.next()? {
            let mut described: Vec<Described> =
                statements.iter().map(|text| Described::new(&mut self.registry, text)).collect();
            if let Some(groups) = &mut self.groups {
                described.into_iter().for_each(|one| groups.add(one));
                continue;
            }
            match format {
                FingerprintFormat::Text => {
                    for one in &described {
                        self.out.write_all(one.text(None).as_bytes())?;
                    }
                }
                FingerprintFormat::Json => {
                    let Some(mut last) = described.pop() else { continue };
                    if !described.is_empty() {
                        described.push(last.clone());
                        last.statements = described;
                    }
                    self.json(&last)?;
                }
            }
        }
        Ok(())
    }

    fn json(&mut self, described: &impl serde::Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(described)?;
        line.push(b'\n');
        Ok(self.out.write_all(&line)?)
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let Some(mut groups) = self.groups.take() else { return Ok(()) };
        groups.found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        for (count, one) in &groups.found {
            match self.format {
                Some(FingerprintFormat::Json) => {
                    let mut object = serde_json::to_value(one)?;
                    object["statements_counted"] = (*count).into();
                    self.json(&object)?;
                }
                _ => self.out.write_all(one.text(Some(*count)).as_bytes())?,
            }
        }
        Ok(())
    }
}

impl Groups {
    fn add(&mut self, one: Described) {
        let next = self.found.len();
        let place = *self.index.entry(one.fingerprint.to_string()).or_insert(next);
        match self.found.get_mut(place) {
            Some((count, _)) => *count += 1,
            None => self.found.push((1, one)),
        }
    }
}

#[cfg(test)]
mod tests;
