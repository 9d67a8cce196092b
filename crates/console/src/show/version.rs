//! `SHOW VERSION`.

use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static VERSION: Show = Show {
    name: "version",
    accepts: Accepts::Nothing,
    columns: &[&[Column::text("version")]],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    vec![vec![Value::Text(format!("pgweir {}", live.version()))]]
}
