//! One execution of a statement, kept so that it can be planned again with the client's own values.

use std::sync::Arc;

/// The wire format of a bound value (PostgreSQL manual, 55.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterFormat {
    /// Format code 0.
    Text,
    /// Format code 1.
    Binary,
}

/// A value as the client bound it.
#[derive(Clone, PartialEq, Eq)]
pub struct SampleParameter {
    /// How the bytes are to be read.
    pub format: ParameterFormat,
    /// The bytes; `None` is SQL's NULL.
    pub value: Option<Arc<[u8]>>,
}

/// A setting of the client's session that decides about plans, as it stood when the statement was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannerSetting {
    /// Its name, in lower case.
    pub name: Box<str>,
    /// Its value as `SET … TO` takes it: constants and names with commas between.
    pub source: Box<str>,
}

/// A statement as one client sent it, values and all.
///
/// Never logged, never stored, never shown: `Debug` hides the text and the values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// The text as sent (of one statement, even where the client sent several in a string).
    pub text: Arc<str>,
    /// Type OIDs the client gave with Parse; 0 or missing means the server infers the type.
    pub parameter_types: Arc<[u32]>,
    /// The bound values, empty for the simple protocol.
    pub parameters: Vec<SampleParameter>,
    /// What the client had set of what decides about names and plans.
    pub settings: Arc<[PlannerSetting]>,
}

impl Sample {
    /// Where the client looks for tables, in its order, where it has said so itself; `"$user"` is left
    /// out.
    #[must_use]
    pub fn search_path(&self) -> Option<Vec<String>> {
        let setting = self.settings.iter().find(|setting| &*setting.name == "search_path")?;
        let names = setting.source.split(',').map(|name| {
            let name = name.trim();
            let quoted =
                |quote: char| name.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            match quoted('"').or_else(|| quoted('\'')) {
                Some(inner) => inner.to_owned(),
                None => name.to_lowercase(),
            }
        });
        Some(names.filter(|name| name != "$user").collect())
    }

    /// How long text and values are together, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let values = self.parameters.iter().filter_map(|parameter| parameter.value.as_ref());
        self.text.len() + values.map(|value| value.len()).sum::<usize>()
    }
}

impl std::fmt::Debug for SampleParameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SampleParameter").field("format", &self.format).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sample")
            .field("text_bytes", &self.text.len())
            .field("parameters", &self.parameters.len())
            .finish_non_exhaustive()
    }
}
