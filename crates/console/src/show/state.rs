//! `SHOW STATE`: whether the pooler is at work or paused, and how its history is doing.

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
    let states = states.map(|(key, yes)| (key, yes_or_no(yes).to_owned()));
    let all = states.into_iter().chain(live.state());
    all.map(|(key, value)| vec![Value::text(key), Value::text(value)]).collect()
}
