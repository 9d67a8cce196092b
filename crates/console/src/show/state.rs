//! `SHOW STATE`: whether the pooler is at work or paused.

use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static STATE: Show = Show {
    name: "state",
    accepts: Accepts::Nothing,
    columns: &[&[Column::text("key"), Column::text("value")]],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    let databases = live.databases();
    let paused = !databases.is_empty() && databases.iter().all(|database| database.paused);
    let states = [("active", !paused), ("paused", paused), ("suspended", false)];
    let yes_or_no = |yes| if yes { "yes" } else { "no" };
    states.map(|(key, yes)| vec![Value::text(key), Value::text(yes_or_no(yes))]).into()
}
