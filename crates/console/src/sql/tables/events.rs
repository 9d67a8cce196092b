//! `events`: what happened to the service itself.

use super::SqlTable;
use crate::table::{Column, Value};

pub(super) static EVENTS: SqlTable = SqlTable::own(
    "events",
    "What happened to the service itself: starts, reloads, pauses, connections ended, plans that \
     changed, deploys seen, notes.",
    || vec![Column::timestamptz("at"), Column::text("kind"), Column::text("text")],
    |data| {
        let marks = data.live.marks().into_iter();
        let row = |mark: model::Mark| {
            vec![Value::time(mark.at), Value::text(mark.kind.as_str()), Value::Text(mark.text)]
        };
        Ok(marks.map(row).collect())
    },
);
