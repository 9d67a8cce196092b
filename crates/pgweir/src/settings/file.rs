//! Reading `pgweir.toml` into [`Written`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::detection;
use super::names::advice;
use super::problem::Origin;
use super::reference::{
    APPLICATION_KEYS, DATABASE_KEYS, KeyReference, PEER_KEYS, REFERENCE, USER_KEYS,
};
use super::values::Raw;
use super::written::{Section, Written, WrittenValue};

/// Reads the whole file, problems and all.
pub(crate) fn read(written: &mut Written, path: &Path, contents: &str) {
    let places = Places { path, contents };
    let (table, errors) = DeTable::parse_recoverable(contents);
    if !errors.is_empty() {
        for error in errors {
            // Only the message: the rest of the error quotes the line, and a password with it.
            let origin = places.origin(error.span().unwrap_or(0..0));
            written.problem(origin, "", error.message());
        }
        return;
    }
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        match (name, value.get_ref()) {
            ("databases", DeValue::Table(sections)) => {
                let sections = read_sections(written, &places, name, sections, DATABASE_KEYS);
                written.databases.extend(sections);
            }
            ("users", DeValue::Table(sections)) => {
                let sections = read_sections(written, &places, name, sections, USER_KEYS);
                written.users.extend(sections);
            }
            ("peers", DeValue::Table(sections)) => {
                let sections = read_sections(written, &places, name, sections, PEER_KEYS);
                written.peers.extend(sections);
            }
            ("applications", DeValue::Table(sections)) => {
                let sections = read_sections(written, &places, name, sections, APPLICATION_KEYS);
                written.applications.extend(sections);
            }
            ("detection", DeValue::Table(table)) => detection::read(written, &places, table),
            ("detection", _) => {
                let message = "is not a section; write [detection.NAME] and its keys below";
                written.problem(places.origin(value.span()), name, message);
            }
            ("databases" | "users" | "peers" | "applications", _) => {
                let message = format!("is not a section; write [{name}.NAME] and its keys below");
                written.problem(places.origin(value.span()), name, &message);
            }
            _ => match REFERENCE.iter().find(|setting| setting.name == name) {
                Some(setting) => {
                    let origin = places.origin(value.span());
                    let value = WrittenValue { raw: raw(value.get_ref()), origin };
                    written.settings.insert(setting.name, value);
                }
                None => {
                    let known = REFERENCE.iter().map(|setting| setting.name).chain([
                        "applications",
                        "databases",
                        "detection",
                        "peers",
                        "users",
                    ]);
                    written.problem(places.origin(key.span()), name, &advice(name, known));
                }
            },
        }
    }
}

fn read_sections(
    written: &mut Written,
    places: &Places<'_>,
    kind: &str,
    sections: &DeTable<'_>,
    known: &[KeyReference],
) -> BTreeMap<String, Section> {
    let mut read = BTreeMap::new();
    for (name, section) in sections {
        let path = format!("{kind}.{}", name.get_ref());
        let DeValue::Table(keys) = section.get_ref() else {
            let message = format!("is not a section; write [{path}] and its keys below");
            written.problem(places.origin(section.span()), &path, &message);
            continue;
        };
        let mut values = BTreeMap::new();
        for (key, value) in keys {
            let key_name = key.get_ref().as_ref();
            if known.iter().any(|known| known.name == key_name) {
                let origin = places.origin(value.span());
                let value = WrittenValue { raw: raw(value.get_ref()), origin };
                values.insert(key_name.to_owned(), value);
            } else {
                let advice = advice(key_name, known.iter().map(|known| known.name));
                let origin = places.origin(key.span());
                written.problem(origin, &format!("{path}.{key_name}"), &advice);
            }
        }
        let origin = places.origin(name.span());
        read.insert(name.get_ref().to_string(), Section { origin, values });
    }
    read
}

/// The value as it will be checked.
pub(super) fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a number out of range"), Raw::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or(Raw::Other("a number out of range"), Raw::Float)
        }
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Datetime(_) => Raw::Other("a date or time"),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Table(_) => Raw::Other("a section"),
    }
}

/// From byte offsets to lines and columns.
pub(super) struct Places<'a> {
    path: &'a Path,
    contents: &'a str,
}

impl Places<'_> {
    pub(super) fn origin(&self, span: Range<usize>) -> Origin {
        let mut end = span.start.min(self.contents.len());
        while !self.contents.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.contents[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}
