//! The configuration as written: every value still raw, with where it was written.
//!
//! Values are kept in tables by name and not in structs that serde fills, since serde stops at the
//! first value it does not like, and all problems are to be reported at once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::detection::WrittenThreshold;
use super::file;
use super::ini::{self, PgBouncerFile};
use super::names::{advice, nearest};
use super::problem::{Origin, Problem, SettingsError};
use super::reference::REFERENCE;
use super::values::Raw;

/// A value and where it is from.
// No `Debug`, here and below: the text may be a password.
#[derive(Clone)]
pub(crate) struct WrittenValue {
    /// The value.
    pub(crate) raw: Raw,
    /// Where it was written.
    pub(crate) origin: Origin,
}

/// The keys of one `[databases.NAME]`, `[users.NAME]` or `[applications.NAME]`.
#[derive(Clone)]
pub(crate) struct Section {
    /// Where its name is written.
    pub(crate) origin: Origin,
    /// Its keys, known ones only.
    pub(crate) values: BTreeMap<String, WrittenValue>,
}

/// The configuration as written, of all sources. Later sources win, so add them in the order
/// file, environment, flags.
#[derive(Clone, Default)]
pub struct Written {
    pub(crate) settings: BTreeMap<&'static str, WrittenValue>,
    pub(crate) databases: BTreeMap<String, Section>,
    pub(crate) users: BTreeMap<String, Section>,
    pub(crate) peers: BTreeMap<String, Section>,
    pub(crate) applications: BTreeMap<String, Section>,
    pub(crate) detection: Vec<WrittenThreshold>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<String>,
    /// What the file was, if it was PgBouncer's.
    pub(crate) pgbouncer: Option<PgBouncerFile>,
}

/// Variables of OpenTelemetry's SDKs, and the settings that they stand for where those are not written.
const OPENTELEMETRY: &[(&str, &str)] = &[
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "otlp_headers"),
    ("OTEL_SERVICE_NAME", "otlp_service_name"),
];

/// The setting that a variable stands for; one that is empty counts as not set, as its specification
/// has it.
fn opentelemetry(variable: &str, value: &OsStr) -> Option<(&'static str, WrittenValue)> {
    let (_, setting) = OPENTELEMETRY.iter().find(|(name, _)| *name == variable)?;
    let text = value.to_str().filter(|text| !text.trim().is_empty())?;
    let origin = Origin::Variable(variable.to_owned());
    Some((setting, WrittenValue { raw: Raw::Text(text.to_owned()), origin }))
}

impl Written {
    /// Adds the contents of a file: our TOML, or PgBouncer's ini. `path` is for naming places, and for
    /// finding what the file includes.
    pub fn add_file(&mut self, path: &Path, contents: &str) {
        if ini::is_ini(path, contents) {
            ini::read(self, path, contents);
        } else {
            file::read(self, path, contents);
        }
    }

    /// Adds the variables called `PGWEIR_` and a setting's name in capitals; the rest is ignored,
    /// with a warning for what looks like a slip.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let (mut standard, mut is_grpc) = (Vec::new(), false);
        for (variable, value) in variables {
            let Some(variable) = variable.to_str() else {
                continue;
            };
            let Some(name) = variable.strip_prefix("PGWEIR_") else {
                standard.extend(opentelemetry(variable, &value));
                is_grpc |= variable == "OTEL_EXPORTER_OTLP_PROTOCOL" && value == "grpc";
                continue;
            };
            let name = name.to_ascii_lowercase();
            let Some(setting) = REFERENCE.iter().find(|setting| setting.name == name) else {
                // Not an error: Kubernetes sets PGWEIR_SERVICE_HOST and more of the kind for a
                // service called pgweir.
                if let Some(near) = nearest(&name, REFERENCE.iter().map(|setting| setting.name)) {
                    self.warnings.push(format!(
                        "environment variable {variable} names no setting; did you mean \
                         PGWEIR_{}?",
                        near.to_ascii_uppercase()
                    ));
                }
                continue;
            };
            let origin = Origin::Variable(variable.to_owned());
            match value.into_string() {
                Ok(text) => {
                    let value = WrittenValue { raw: Raw::Text(text), origin };
                    self.settings.insert(setting.name, value);
                }
                Err(_) => self.problem(origin, setting.name, "is not valid UTF-8"),
            }
        }
        // They are not meant for pgweir alone: whatever is written for it goes before them.
        for (setting, value) in standard {
            if is_grpc && setting == "otlp_endpoint" {
                if !self.settings.contains_key(setting) {
                    let warning = "OTEL_EXPORTER_OTLP_ENDPOINT is not used: it is for grpc, and \
                                   pgweir sends by HTTP; set otlp_endpoint";
                    self.warnings.push(warning.to_owned());
                }
                continue;
            }
            self.settings.entry(setting).or_insert(value);
        }
    }

    /// Adds one flag or argument; `flag` is what it is called on the command line.
    pub fn add_flag(&mut self, flag: &str, name: &str, value: impl Into<String>) {
        let origin = Origin::Flag(flag.to_owned());
        match REFERENCE.iter().find(|setting| setting.name == name) {
            Some(setting) => {
                let raw = Raw::Text(value.into());
                self.settings.insert(setting.name, WrittenValue { raw, origin });
            }
            None => {
                let advice = advice(name, REFERENCE.iter().map(|setting| setting.name));
                self.problem(origin, name, &advice);
            }
        }
    }

    /// Adds the URLs given as arguments; they take the place of `upstream` from elsewhere.
    pub fn add_urls(&mut self, urls: &[String]) {
        if urls.is_empty() {
            return;
        }
        let raw = Raw::List(urls.iter().cloned().map(Raw::Text).collect());
        let origin = Origin::Flag("DATABASE_URL".to_owned());
        self.settings.insert("upstream", WrittenValue { raw, origin });
    }

    /// Adds a problem that reading the sources showed.
    pub(crate) fn problem(&mut self, origin: Origin, key: &str, message: &str) {
        let (key, message) = (key.to_owned(), message.to_owned());
        self.problems.push(Problem { origin, key, message });
    }

    /// Checks everything and makes it usable; see [`super::Settings`].
    ///
    /// # Errors
    /// All problems, if there is any.
    pub fn resolve(self) -> Result<super::Resolved, SettingsError> {
        super::resolve::resolve(self)
    }
}
