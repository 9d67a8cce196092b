//! PgBouncer's `pgbouncer.ini`, read as it is into what is [`Written`].
//!
//! What it does not say is as PgBouncer has it, not as pgweir has it: whoever replaces PgBouncer
//! expects that the file means what it meant. What pgweir has no use for is named in one warning;
//! what it does not know is refused.

mod connection_string;
mod keys;
mod lines;
mod manual;
mod notes;
mod sections;
mod settings;
mod table;
mod value;

use std::path::Path;

pub use keys::{INI_DATABASE_KEYS, INI_PEER_KEYS, INI_USER_KEYS, IniKey};
pub(crate) use manual::migration_page;
pub use notes::{Note, NoteKind, PgBouncerFile};
pub use table::{Becomes, INI_SETTINGS, IniSetting};

use super::names::advice;
use super::problem::Origin;
use super::reference::REFERENCE;
use super::values::Raw;
use super::written::{Written, WrittenValue};
use lines::{Item, Lines};
use sections::Entry;
use settings::Own;

/// The section of PgBouncer's own settings.
const MAIN: &str = "pgbouncer";
/// A section of ours: settings of pgweir's that PgBouncer does not have.
const OURS: &str = "pgweir";
const SECTIONS: [&str; 5] = [MAIN, "databases", "users", "peers", OURS];

/// Whether a file is PgBouncer's rather than our TOML: by its name, where that says so, else by lines
/// that stand in PgBouncer's files and cannot stand in ours.
pub(crate) fn is_ini(path: &Path, contents: &str) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("ini") => true,
        Some("toml") => false,
        _ => contents.lines().map(str::trim_start).any(|line| {
            line.starts_with("[pgbouncer]") || line.starts_with("%include") || line.starts_with(';')
        }),
    }
}

/// Reads the whole file and what it includes, problems and all.
pub(crate) fn read(written: &mut Written, path: &Path, contents: &str) {
    let Lines { items, files } = Lines::read(path, contents);
    let mut reading =
        Reading { written, own: Own::default(), entries: Vec::new(), ours: Vec::new() };
    let mut section = None;
    for (origin, item) in items {
        match item {
            Item::Wrong(message) => reading.written.problem(origin, "", &message),
            Item::Section(name) => section = reading.section(origin, &name),
            Item::Setting { name, value } => match section {
                Some(section) => reading.setting(section, origin, &name, value),
                // Of an unknown section, of which that has been said.
                None if reading.own.begun || !reading.written.problems.is_empty() => {}
                None => {
                    let message = "stands in no section; write [pgbouncer] above";
                    reading.written.problem(origin, &name, message);
                }
            },
        }
    }
    reading.finish(PgBouncerFile::new(files), path);
}

struct Reading<'a> {
    written: &'a mut Written,
    own: Own,
    entries: Vec<Entry>,
    ours: Vec<(&'static str, WrittenValue)>,
}

impl Reading<'_> {
    /// A section begins; none if there is no such.
    fn section(&mut self, origin: Origin, name: &str) -> Option<&'static str> {
        let found = SECTIONS.into_iter().find(|section| *section == name);
        match found {
            None => {
                let sections = SECTIONS.map(|section| format!("[{section}]")).join(", ");
                let message = format!("there is no section [{name}]; there are {sections}");
                self.written.problem(origin, "", &message);
            }
            Some(MAIN) => self.own.begin(&origin, &mut self.written.warnings),
            Some(_) => {}
        }
        found
    }

    fn setting(&mut self, section: &'static str, origin: Origin, name: &str, value: String) {
        match section {
            MAIN => match INI_SETTINGS.iter().find(|setting| setting.name == name) {
                Some(setting) => self.own.set(setting, origin, value),
                None => {
                    let known = INI_SETTINGS.iter().map(|setting| setting.name);
                    let mut message = advice(name, known);
                    if REFERENCE.iter().any(|setting| setting.name == name) {
                        message = "is a setting of pgweir's; write it in a section [pgweir]".into();
                    }
                    self.written.problem(origin, name, &message);
                }
            },
            OURS => match REFERENCE.iter().find(|setting| setting.name == name) {
                Some(setting) => {
                    self.ours.push((setting.name, WrittenValue { raw: Raw::Text(value), origin }));
                }
                None => {
                    let known = REFERENCE.iter().map(|setting| setting.name);
                    self.written.problem(origin, name, &advice(name, known));
                }
            },
            _ => self.entries.push(Entry { section, origin, name: name.to_owned(), value }),
        }
    }

    /// All has been read: what a database is can depend on settings that stand below it.
    fn finish(self, mut file: PgBouncerFile, path: &Path) {
        let Self { written, own, entries, ours } = self;
        if !own.begun {
            let origin = Origin::File { path: path.to_owned(), line: 1, column: 1 };
            written.problem(origin, "", "has no section [pgbouncer], which PgBouncer asks for");
        }
        let socket_directory = own.socket_directory(path);
        own.translate(written, &mut file, path);
        for entry in entries {
            entry.translate(written, &mut file, socket_directory.as_deref());
        }
        // Ours goes before what stands for something else.
        written.settings.extend(ours);
        file.conclude(path);
        written.warnings.extend(file.warning.clone());
        written.pgbouncer = Some(file);
    }
}
