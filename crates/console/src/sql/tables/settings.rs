//! `settings`: the settings in force.

use super::SqlTable;
use crate::table::{Column, Value};

pub(super) static SETTINGS: SqlTable = SqlTable::own(
    "settings",
    "The settings in force, secrets hidden (SHOW CONFIG has them too); `changeable` ones take \
     effect at RELOAD.",
    || {
        vec![
            Column::text("name"),
            Column::text("value"),
            Column::text("default_value"),
            Column::bool("changeable"),
        ]
    },
    |data| {
        let mut settings = data.live.settings();
        settings.sort_by(|a, b| a.key.cmp(&b.key));
        let row = |setting: model::SettingStatus| {
            vec![
                Value::Text(setting.key),
                Value::Text(setting.value),
                Value::Text(setting.default),
                Value::Bool(setting.changeable),
            ]
        };
        Ok(settings.into_iter().map(row).collect())
    },
);
