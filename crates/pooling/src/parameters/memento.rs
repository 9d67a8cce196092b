//! A client's parameters on their way to another process.

use serde::{Deserialize, Serialize};
use sql::SettingValue;

use super::{ClientParameters, Values};

/// What a client wants, between two transactions. Its `Debug` shows no values.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ParametersMemento {
    startup: Vec<Parameter>,
    wanted: Vec<Parameter>,
    identity: Vec<Parameter>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Parameter {
    name: String,
    value: String,
    /// As SQL writes it: see [`SettingValue`].
    is_source: bool,
}

impl std::fmt::Debug for ParametersMemento {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParametersMemento").finish_non_exhaustive()
    }
}

impl ClientParameters {
    /// What it takes to go on elsewhere; none while a transaction may yet undo some of it.
    #[must_use]
    pub fn memento(&self) -> Option<ParametersMemento> {
        (self.before.is_none() && self.reset.is_empty()).then(|| ParametersMemento {
            startup: list(&self.startup),
            wanted: list(&self.wanted),
            identity: list(&self.identity),
        })
    }

    /// As they were where the memento was made.
    #[must_use]
    pub fn restore(memento: ParametersMemento) -> Self {
        Self {
            startup: values(memento.startup),
            wanted: values(memento.wanted),
            identity: values(memento.identity),
            ..Self::default()
        }
    }
}

fn list(values: &Values) -> Vec<Parameter> {
    let parameter = |name: &str, value: &SettingValue| Parameter {
        name: name.to_owned(),
        value: value.as_str().to_owned(),
        is_source: matches!(value, SettingValue::Source(_)),
    };
    values.iter().map(|(name, value)| parameter(name, value)).collect()
}

fn values(list: Vec<Parameter>) -> Values {
    let value = |Parameter { name, value, is_source }: Parameter| {
        let value = value.into();
        let value = if is_source { SettingValue::Source(value) } else { SettingValue::Text(value) };
        (name.into(), value)
    };
    list.into_iter().map(value).collect()
}
