//! PgBouncer's configuration file as lines: sections, `name = value`, `%include`.
//!
//! The rules are those of libusual's `cfparser.c`: `;` and `#` begin a comment only where a line
//! begins, a value goes to the end of its line, and what a file includes stands in its place, with the
//! section that is open there.

use std::path::{Path, PathBuf};

use crate::settings::problem::Origin;

/// Files within files: libusual's `MAX_INCLUDE`.
const MAX_INCLUDE: usize = 10;

/// What a file says, in its order.
#[derive(Debug)]
pub(super) enum Item {
    /// `[name]`.
    Section(String),
    /// `name = value`.
    Setting {
        /// As written, without its quotes.
        name: String,
        /// To the end of the line; may be empty.
        value: String,
    },
    /// What is none of these, and why not. Quotes nothing: it may be a password.
    Wrong(String),
}

/// A whole file, with all that it includes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// What it says, and where.
    pub(super) items: Vec<(Origin, Item)>,
    /// The files that were read, the first one first.
    pub(super) files: Vec<PathBuf>,
}

impl Lines {
    /// Reads a text, and the files that it includes.
    pub(super) fn read(path: &Path, contents: &str) -> Self {
        let mut lines = Self::default();
        lines.add(path, contents, 0);
        lines
    }

    fn add(&mut self, path: &Path, contents: &str, depth: usize) {
        self.files.push(path.to_owned());
        for (index, line) in contents.lines().enumerate() {
            let place = Place { path, line: index + 1, text: line };
            self.add_line(&place, depth);
        }
    }

    fn add_line(&mut self, place: &Place<'_>, depth: usize) {
        let mut rest = place.text.trim();
        // More may follow on the line of a section.
        while let Some(section) = rest.strip_prefix('[') {
            let Some((name, after)) = section.split_once(']') else {
                let wrong = "a section is written [name]".to_owned();
                return self.items.push((place.origin(rest), Item::Wrong(wrong)));
            };
            self.items.push((place.origin(rest), Item::Section(name.to_owned())));
            rest = after.trim_start();
        }
        if rest.is_empty() || rest.starts_with([';', '#']) {
            return;
        }
        let included = rest.strip_prefix("%include").filter(|file| file.starts_with([' ', '\t']));
        if let Some(file) = included {
            return self.include(place, rest, file.trim(), depth);
        }
        let item = setting(rest);
        self.items.push((place.origin(rest), item));
    }

    fn include(&mut self, place: &Place<'_>, rest: &str, file: &str, depth: usize) {
        let wrong = if depth >= MAX_INCLUDE {
            format!("files include each other more than {MAX_INCLUDE} deep")
        } else {
            let file = find_file(file, place.path);
            match std::fs::read_to_string(&file) {
                Ok(contents) => return self.add(&file, &contents, depth + 1),
                Err(error) => format!("{} cannot be read: {error}", file.display()),
            }
        };
        self.items.push((place.origin(rest), Item::Wrong(wrong)));
    }
}

/// A line of a file.
struct Place<'a> {
    path: &'a Path,
    line: usize,
    text: &'a str,
}

impl Place<'_> {
    /// `rest` is the part of the line that begins there.
    fn origin(&self, rest: &str) -> Origin {
        let rest = rest.trim_end();
        let begins = self.text.trim_end().len() - rest.len();
        let column = self.text[..begins].chars().count() + 1;
        Origin::File { path: self.path.to_owned(), line: self.line, column }
    }
}

fn setting(line: &str) -> Item {
    let Some((name, rest)) = name(line) else {
        return Item::Wrong("a name in quotes has no end".to_owned());
    };
    match rest.trim_start().strip_prefix('=') {
        Some(value) if !name.is_empty() => Item::Setting { name, value: value.trim().to_owned() },
        _ => Item::Wrong(
            "is no setting; write `name = value`, and a name that has other characters than \
             letters, digits, `_`, `.`, `-` in double quotes"
                .to_owned(),
        ),
    }
}

/// The name at the beginning of the line, in quotes as SQL has them for names or without, and what
/// follows it. None if the quotes have no end.
fn name(line: &str) -> Option<(String, &str)> {
    let Some(mut rest) = line.strip_prefix('"') else {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-*".contains(c);
        let end = line.find(|c| !is_part(c)).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        return Some((name.to_owned(), rest));
    };
    let mut name = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

/// A file that is named in a file: as PgBouncer has it, relative to the working directory. One that is
/// not there, and stands beside the file that names it, is meant too.
pub(super) fn find_file(named: &str, named_in: &Path) -> PathBuf {
    let named = Path::new(named);
    let here = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
    if here.exists() {
        return here;
    }
    let beside = named_in.parent().map(|directory| directory.join(named));
    let beside = beside.and_then(|file| std::path::absolute(file).ok());
    beside.filter(|file| file.exists()).unwrap_or(here)
}
