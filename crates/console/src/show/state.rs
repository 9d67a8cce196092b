//! `SHOW STATE`: whether the pooler is at work or paused, and how its history is doing.

use model::PoolerState;

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
    let now = live.pooler();
    let states = [
        ("active", PoolerState::Active),
        ("paused", PoolerState::Paused),
        ("suspended", PoolerState::Suspended),
    ];
    let yes_or_no = |state| if state == now { "yes" } else { "no" };
    let states = states.map(|(key, state)| (key, yes_or_no(state).to_owned()));
    let all = states.into_iter().chain(live.state());
    all.map(|(key, value)| vec![Value::text(key), Value::text(value)]).collect()
}
