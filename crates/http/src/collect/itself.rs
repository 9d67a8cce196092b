//! pgweir's own state, and the process's.

use std::sync::Arc;
use std::time::Duration;

use super::Sources;
use crate::exposition::Exposition;
use crate::families as f;
use crate::health::Readiness;

pub(super) fn add(to: &mut Exposition, from: &Sources) {
    let (totals, process) = (&from.totals, &from.process);
    to.add(&f::BUILD, [&from.version], true);
    to.add(&f::READY, [], from.readiness == Readiness::Ready);
    to.add(&f::CLIENTS, [], process.clients);
    to.add(&f::CLIENTS_LIMIT, [], process.clients_limit);
    to.add(&f::LOOP_LAG, [], process.loop_lag);
    to.add(&f::EVENTS_DROPPED, [], totals.dropped);
    to.add(&f::STATEMENTS, [], totals.statements);
    to.add(&f::STATEMENTS_OTHERS, [], totals.statements_in_others);
    to.add(&f::FINGERPRINTS, [], totals.fingerprints_known);
    to.add(&f::FINGERPRINTS_LIMIT, [], totals.fingerprint_limit);
    to.add(&f::SHAPES, [], process.shapes.known);
    to.add(&f::SHAPES_LIMIT, [], process.shapes.limit);
    to.add(&f::LABELS, [], process.labels.known);
    to.add(&f::LABELS_LIMIT, [], process.labels.limit);
    to.add(&f::CANCEL_KEYS, [], process.cancel_keys);
    to.add(&f::TASKS, [], process.tasks);
    // Since the start, where they have not looked yet.
    let looked_at = from.published.snapshot.taken_at.max(totals.started_at);
    let age = Duration::try_from(totals.taken_at.duration_since(looked_at)).unwrap_or_default();
    to.add(&f::ANALYSIS_AGE, [], age);
    if let Some(lag) = process.store_lag {
        to.add(&f::STORE_LAG, [], lag);
    }
    to.add(&f::LOG_SUPPRESSED, [], process.log_lines_suppressed);
    if let Some(exports) = &from.exports {
        to.add(&f::SPANS_EXPORTED, [], exports.spans_exported);
        to.add(&f::SPANS_DROPPED, [], exports.spans_dropped);
        for (signal, count) in
            [("metrics", exports.failed_metrics), ("traces", exports.failed_traces)]
        {
            to.add(&f::EXPORT_FAILURES, [&Arc::from(signal)], count);
        }
    }
    let resources = &process.resources;
    if let Some(cpu) = resources.cpu {
        to.add(&f::PROCESS_CPU, [], cpu);
    }
    for (family, value) in [
        (&f::PROCESS_MEMORY, resources.resident_memory_bytes),
        (&f::PROCESS_FILES, resources.open_files),
        (&f::PROCESS_FILES_LIMIT, resources.open_files_limit),
    ] {
        if let Some(value) = value {
            to.add(family, [], value);
        }
    }
    let started = from.started_at.as_millisecond() as f64 / 1e3;
    to.add(&f::PROCESS_START, [], started);
}
