//! What one statement adds to its row.

use std::time::Duration;

use model::{Binned, Outcome, QueryEvent, QueryStats, Sample, SqlState};

use super::minute::count_code;

/// An answer that was cut off counts as abandoned from this length on; what is shorter was on its
/// way before anyone could think better of it.
const ABANDONED_BYTES: u64 = 16 * 1024;

/// What several count of one statement's times.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) wait: Binned,
    pub(super) first_byte: Binned,
    pub(super) total: Binned,
}

impl Times {
    pub(super) fn of(event: &QueryEvent) -> Self {
        Self {
            wait: Binned::new(event.wait),
            first_byte: Binned::new(event.first_byte),
            total: Binned::new(event.total),
        }
    }
}

/// Adds the event to its row.
pub(super) fn add(row: &mut QueryStats, event: &QueryEvent, times: &Times) {
    row.rows += event.rows;
    row.most_rows = row.most_rows.max(event.rows);
    row.bytes_received += event.bytes_received;
    row.bytes_sent += event.bytes_sent;
    row.stalled += event.stalled;
    row.longest_stall = row.longest_stall.max(event.stalled);
    row.values.record(event.values);
    if let Some(literals) = event.prepared_literals {
        row.prepared_calls += 1;
        row.prepared_texts.record(literals);
    }
    match event.outcome {
        Outcome::Lost => row.lost += 1,
        Outcome::Done | Outcome::Failed(_) => {
            row.calls += 1;
            row.wait.record_binned(&times.wait);
            row.first_byte.record_binned(&times.first_byte);
            row.total.record_binned(&times.total);
        }
    }
    if let Outcome::Failed(code) = event.outcome {
        count_code(&mut row.errors, code);
        if is_cancelled(code) {
            row.cancelled.record(database_time(event));
        }
    }
    let cut_off = match event.outcome {
        Outcome::Done => false,
        Outcome::Lost => true,
        Outcome::Failed(code) => is_cancelled(code),
    };
    if cut_off && event.bytes_sent >= ABANDONED_BYTES {
        row.abandoned += 1;
        row.abandoned_bytes += event.bytes_sent;
    }
}

/// Adds what a sample's values were like.
pub(super) fn add_sample(row: &mut QueryStats, sample: &Sample) {
    let values = sql::bound_values(sample);
    if let Some(offset) = values.offset {
        row.sampled.offsets += 1;
        row.sampled.offset_sum = row.sampled.offset_sum.saturating_add(offset);
        row.sampled.most_offset = row.sampled.most_offset.max(offset);
    }
    if let Some(leading) = values.leading_wildcard {
        row.sampled.patterns += 1;
        row.sampled.leading_wildcards += u64::from(leading);
    }
}

/// From arrival to the end, waiting for a server connection left out.
pub(super) fn database_time(event: &QueryEvent) -> Duration {
    event.total.saturating_sub(event.wait)
}

/// `query_canceled`: a timeout, or someone asked for it.
fn is_cancelled(code: SqlState) -> bool {
    code.as_str() == "57014"
}
