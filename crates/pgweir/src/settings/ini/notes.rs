//! What reading a PgBouncer file showed that is worth saying.

use std::path::{Path, PathBuf};

/// What reading PgBouncer's file showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgBouncerFile {
    /// The files that were read: the one that was named, and what it includes.
    pub files: Vec<PathBuf>,
    /// What is not as in PgBouncer, in the order of the file.
    pub notes: Vec<Note>,
    /// The warning that names what is not used, if there is any.
    pub warning: Option<String>,
    /// Settings that the file does not have and that are as PgBouncer has them.
    pub by_default: Vec<&'static str>,
}

/// Something that is not as in PgBouncer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The setting, with its section where that is not `[pgbouncer]`: `databases.shop.host`.
    pub setting: String,
    /// Of what kind.
    pub kind: NoteKind,
    /// What is different, or why it is not used.
    pub why: &'static str,
}

/// Of what kind a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// The setting is read, and something is not as in PgBouncer.
    Different,
    /// pgweir has no use for it.
    Unneeded,
    /// What it asks for is not offered.
    NotOffered,
}

impl PgBouncerFile {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        Self { files, notes: Vec::new(), warning: None, by_default: Vec::new() }
    }

    pub(super) fn note(&mut self, setting: impl Into<String>, kind: NoteKind, why: &'static str) {
        self.notes.push(Note { setting: setting.into(), kind, why });
    }

    /// Settings of one kind, each once.
    #[must_use]
    pub fn of(&self, kind: NoteKind) -> Vec<&Note> {
        let mut found: Vec<&Note> = Vec::new();
        for note in self.notes.iter().filter(|note| note.kind == kind) {
            if !found.iter().any(|earlier| earlier.setting == note.setting) {
                found.push(note);
            }
        }
        found
    }

    /// All has been read: one line names all settings that are not used.
    pub(super) fn conclude(&mut self, path: &Path) {
        let named = |kind, what: &str| {
            let names: Vec<_> = self.of(kind).iter().map(|note| note.setting.as_str()).collect();
            (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
        };
        let parts: Vec<String> = [
            named(NoteKind::Unneeded, "of no use here"),
            named(NoteKind::NotOffered, "not offered"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let path = path.display();
        let why = format!("`pgweir check -c {path}` says why");
        self.warning = (!parts.is_empty()).then(|| format!("{path}: {}; {why}", parts.join("; ")));
    }
}
