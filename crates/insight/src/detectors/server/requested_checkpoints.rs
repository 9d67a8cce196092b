use std::collections::BTreeMap;
use std::time::Duration;

use model::{Confidence, Finding, Fix, NotChecked, ServerFacts, Severity};

use crate::detectors::catalogue::{Needs, finding, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, count, duration_ms};

/// # `requested_checkpoints`: the server checkpoints because WAL runs full
///
/// **What it sees.** Checkpoints of the window that did not come by time (`checkpoint_timeout`) but
/// because `max_wal_size` was nearly reached.
///
/// **Why it hurts.** Each checkpoint writes all that changed in memory; after it the first change of each
/// page is logged whole, so that WAL grows faster still. Writes come in bursts, and statements stall.
///
/// **How to fix.** Raise `max_wal_size` until checkpoints come by time. It costs disk space, and a longer
/// recovery after a crash.
///
/// **How sure.** Medium: commands (CHECKPOINT, DROP DATABASE, a base backup) request them too.
///
/// **Privilege.** None beyond CONNECT.
///
/// **Example.** 14 checkpoints in ten minutes, all requested, with a `max_wal_size` of 1 GB.
pub struct RequestedCheckpoints;

thresholds! {
    /// When `requested_checkpoints` speaks.
    RequestedCheckpointsThresholds {
        /// Requested ones in the window: one or two are a backup or a bulk load.
        least_requested: Count = 4,
        /// Their share of all checkpoints.
        least_ratio: Ratio = 0.5,
        /// Looked at for so long: as long as `checkpoint_timeout` usually is.
        least_span: Duration = Duration::from_secs(300),
    }
}

impl Detector for RequestedCheckpoints {
    fn name(&self) -> &'static str {
        "requested_checkpoints"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let servers = inputs.catalog.servers.iter();
        servers.filter_map(|(name, server)| self.finding(name, server, inputs)).collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unread(self.name(), &[Needs::Server], inputs)
    }
}

impl RequestedCheckpoints {
    fn finding(&self, name: &str, server: &ServerFacts, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.requested_checkpoints;
        let (first, last) = (server.checkpoints.first()?, server.checkpoints.last()?);
        let span_s = last.at.duration_since(first.at).as_secs_f64();
        // None where the counters were reset meanwhile.
        let requested = last.requested.checked_sub(first.requested)?;
        let timed = last.timed.checked_sub(first.timed)?;
        let share = requested as f64 / (requested + timed).max(1) as f64;
        if span_s < thresholds.least_span.as_secs_f64()
            || requested < thresholds.least_requested
            || share < thresholds.least_ratio
        {
            return None;
        }
        let wal = server.settings.max_wal_bytes;
        // What was written between two, and half as much again, for each checkpoint_timeout.
        let between_s = span_s / requested as f64;
        let times = (server.settings.checkpoint_timeout_s / between_s * 1.5).clamp(2.0, 16.0);
        let wanted_mb = (wal as f64 * times / f64::from(1 << 20)).ceil() as u64;
        let title = format!(
            "{} checkpoints of {name} in {} were forced by max_wal_size",
            count(requested as f64),
            duration_ms(span_s * 1e3)
        );
        let why = format!(
            "They come every {} instead of every {}; each writes all that changed, and makes WAL \
             grow faster after it",
            duration_ms(between_s * 1e3),
            duration_ms(server.settings.checkpoint_timeout_s * 1e3)
        );
        Some(Finding {
            evidence: BTreeMap::from([
                ("requested".to_owned(), requested.into()),
                ("timed".to_owned(), timed.into()),
                ("window_ms".to_owned(), (span_s * 1e3).into()),
                ("max_wal_size_bytes".to_owned(), wal.into()),
            ]),
            fix: Fix {
                sql: Some(format!(
                    "ALTER SYSTEM SET max_wal_size = '{wanted_mb}MB';\nSELECT pg_reload_conf();"
                )),
                undo: Some(format!(
                    "ALTER SYSTEM SET max_wal_size = '{}MB';\nSELECT pg_reload_conf();",
                    wal >> 20
                )),
                advice: Some(format!(
                    "See that the disk has room for it; now it is {}.",
                    bytes(wal as f64)
                )),
            },
            confidence: Confidence::Medium,
            ..finding(self.name(), Severity::Warning, title, why)
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use model::{CheckpointCounters, ServerSettings};

    use super::*;
    use crate::scene::Scene;

    fn detect(span_s: i64, requested: u64, timed: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        let at = scene.now();
        let first = CheckpointCounters {
            at: at - SignedDuration::from_secs(span_s),
            timed: 70,
            requested: 10,
        };
        let last = CheckpointCounters { at, timed: 70 + timed, requested: 10 + requested };
        let settings = ServerSettings {
            max_wal_bytes: 1 << 30,
            checkpoint_timeout_s: 300.0,
            ..ServerSettings::default()
        };
        let server =
            ServerFacts { settings, checkpoints: vec![first, last], ..ServerFacts::default() };
        scene.catalog.servers.insert("db1:5432".to_owned(), server);
        scene.look(|inputs| RequestedCheckpoints.detect(inputs))
    }

    #[test]
    fn checkpoints_forced_by_wal_are_found_and_a_size_is_named() {
        let findings = detect(600, 6, 0);
        let sql = "ALTER SYSTEM SET max_wal_size = '4608MB';\nSELECT pg_reload_conf();";
        assert_eq!(findings[0].fix.sql.as_deref(), Some(sql));
        assert!(findings[0].why.contains("every 100 s instead of every 5 min"));
    }

    #[test]
    fn those_by_time_and_a_few_others_are_fine() {
        assert!(detect(900, 3, 3).is_empty());
        assert!(detect(900, 4, 6).is_empty());
        assert!(detect(60, 9, 0).is_empty());
    }
}
