//! `SHOW CONFIG`: the settings in force.

use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static CONFIG: Show = Show {
    name: "config",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::text("key"),
        Column::text("value"),
        Column::text("default"),
        Column::text("changeable"),
    ]],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    let mut settings = live.settings();
    settings.sort_by(|a, b| a.key.cmp(&b.key));
    let rows = settings.into_iter().map(|setting| {
        vec![
            Value::Text(setting.key),
            Value::Text(setting.value),
            Value::Text(setting.default),
            Value::text(if setting.changeable { "yes" } else { "no" }),
        ]
    });
    rows.collect()
}
