//! `findings`: what the detectors say.

use super::shown::{joined, with};
use super::{Data, SqlTable};
use crate::refusal::Refusal;
use crate::show;
use crate::table::{Column, Row, Value};

pub(super) static FINDINGS: SqlTable = SqlTable::own(
    "findings",
    "What the detectors say, the most harmful first; `harm_ms` is the clients' time that it costs \
     in the window, `fingerprints` and `tables` are lists with commas.",
    || with(show::find("findings"), &[Column::float8("harm_ms"), Column::text("runbook")]),
    rows,
);

fn rows(data: &Data) -> Result<Vec<Row>, Refusal> {
    let mut findings: Vec<_> = data.published.findings.iter().collect();
    // As SHOW FINDINGS sorts them.
    findings.sort_by(|a, b| b.harm_ms.total_cmp(&a.harm_ms));
    let more = findings.into_iter().map(|finding| {
        vec![Value::Float8(super::milliseconds(finding.harm_ms)), Value::text(&*finding.runbook)]
    });
    joined(show::find("findings"), data, more)
}
