use std::collections::BTreeMap;
use std::time::Duration;

use model::{Finding, Fix, NotChecked, ReplicaFacts, ServerFacts, Severity, SlotFacts};

use crate::advisor::quoted;
use crate::detectors::catalogue::{Needs, finding, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, duration_ms};

/// # `replication_lag`: a standby is behind, or a slot keeps WAL for nobody
///
/// **What it sees.** On a primary how far each standby is behind, in time and in bytes
/// (`pg_stat_replication`), and replication slots that nobody reads and that keep WAL; on a standby how
/// old the last transaction is that it replayed.
///
/// **Why it hurts.** What is read on the standby is old; a failover loses what is missing, or takes as long
/// as it takes to replay. A slot without a reader fills the disk of the primary, and then all stops.
///
/// **How to fix.** See whether the standby is down, its disk or network too slow, or a long query holds
/// replay up (`max_standby_streaming_delay`). Drop a slot only when nobody will come back for it.
///
/// **How sure.** High: the server counted.
///
/// **Privilege.** `pg_monitor` for the lag of standbys; none for slots.
///
/// **Example.** Standby `eu2` is 4 minutes and 2.1 GB behind.
pub struct ReplicationLag;

thresholds! {
    /// When `replication_lag` speaks.
    ReplicationLagThresholds {
        /// A standby so far behind is a warning: users begin to notice.
        warning_lag: Duration = Duration::from_secs(10),
        /// So far behind it is critical: a failover would lose or wait for that much.
        critical_lag: Duration = Duration::from_secs(60),
        /// WAL not replayed, bytes, that is critical whatever the time says.
        critical_lag_bytes: Count = 1 << 30,
        /// WAL that a slot without a reader keeps, bytes: a warning.
        slot_warning_bytes: Count = 1 << 30,
    }
}

impl Detector for ReplicationLag {
    fn name(&self) -> &'static str {
        "replication_lag"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, server) in &inputs.catalog.servers {
            findings.extend(server.replicas.iter().filter_map(|r| self.of_replica(r, inputs)));
            findings.extend(server.slots.iter().filter_map(|slot| self.of_slot(slot, inputs)));
            findings.extend(self.of_standby(name, server, inputs));
        }
        findings
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        let servers = inputs.catalog.servers.iter();
        let mut list = unread(self.name(), &[Needs::Server], inputs);
        list.extend(
            servers
                .filter(|(_, server)| !server.replicas.is_empty() && !server.sees_sessions)
                .map(|(name, server)| NotChecked {
                    check: format!("{}: the standbys of {name}", self.name()),
                    why: format!(
                        "role {} does not see how far they are behind; GRANT pg_monitor TO {}; would \
                         show it",
                        server.role,
                        quoted(&server.role)
                    ),
                }),
        );
        list
    }
}

impl ReplicationLag {
    fn severity(&self, lag_ms: f64, lag_bytes: u64, inputs: &Inputs<'_>) -> Option<Severity> {
        let thresholds = &inputs.settings.of.replication_lag;
        let lag = Duration::from_secs_f64((lag_ms / 1e3).max(0.0));
        if lag >= thresholds.critical_lag || lag_bytes >= thresholds.critical_lag_bytes {
            return Some(Severity::Critical);
        }
        (lag >= thresholds.warning_lag).then_some(Severity::Warning)
    }

    fn of_replica(&self, replica: &ReplicaFacts, inputs: &Inputs<'_>) -> Option<Finding> {
        let lag_bytes = replica.lag_bytes.unwrap_or(0);
        let lag_ms = replica.lag_ms.unwrap_or(0.0);
        let severity = self.severity(lag_ms, lag_bytes, inputs)?;
        let title = format!(
            "standby {} is {} and {} behind",
            replica.name,
            duration_ms(lag_ms),
            bytes(lag_bytes as f64)
        );
        let why = format!(
            "What is read there is that old, and a failover would have to wait for it; the standby \
             is in state {}",
            replica.state
        );
        Some(Finding {
            evidence: BTreeMap::from([
                ("standby".to_owned(), replica.name.as_str().into()),
                ("lag_ms".to_owned(), lag_ms.into()),
                ("lag_bytes".to_owned(), lag_bytes.into()),
            ]),
            fix: behind(),
            ..finding(self.name(), severity, title, why)
        })
    }

    fn of_standby(&self, name: &str, server: &ServerFacts, inputs: &Inputs<'_>) -> Option<Finding> {
        let delay_ms = server.replay_delay_ms?;
        let severity = self.severity(delay_ms, 0, inputs)?;
        let title = format!("{name} is a standby, and {} behind", duration_ms(delay_ms));
        let why =
            "The last transaction that it replayed is that old, and more has come in".to_owned();
        Some(Finding {
            evidence: BTreeMap::from([("lag_ms".to_owned(), delay_ms.into())]),
            fix: behind(),
            ..finding(self.name(), severity, title, why)
        })
    }

    fn of_slot(&self, slot: &SlotFacts, inputs: &Inputs<'_>) -> Option<Finding> {
        let least = inputs.settings.of.replication_lag.slot_warning_bytes;
        let lost = matches!(slot.wal_status.as_str(), "lost" | "unreserved");
        if slot.active || (slot.retained_bytes < least && !lost) {
            return None;
        }
        let severity = if lost { Severity::Critical } else { Severity::Warning };
        let title = format!(
            "nobody reads the replication slot {}, which keeps {} of WAL",
            slot.name,
            bytes(slot.retained_bytes as f64)
        );
        let why = if lost {
            "WAL that its reader needs is gone or about to go: the reader has to start anew"
                .to_owned()
        } else {
            "WAL is kept for it until the disk is full, and then the server stops".to_owned()
        };
        let name = slot.name.replace('\'', "''");
        Some(Finding {
            evidence: BTreeMap::from([
                ("slot".to_owned(), slot.name.as_str().into()),
                ("retained_bytes".to_owned(), slot.retained_bytes.into()),
                ("wal_status".to_owned(), slot.wal_status.as_str().into()),
            ]),
            fix: Fix {
                advice: Some(format!(
                    "Start its reader. Only if nobody will come back for it: SELECT \
                     pg_drop_replication_slot('{name}'), which cannot be taken back. \
                     max_slot_wal_keep_size bounds what a slot may keep."
                )),
                ..Fix::default()
            },
            ..finding(self.name(), severity, title, why)
        })
    }
}

fn behind() -> Fix {
    Fix {
        advice: Some(
            "See whether the standby's disk and network keep up, and whether a long query there holds \
             replay up (max_standby_streaming_delay). Until then send reads that must be fresh to \
             the primary."
                .to_owned(),
        ),
        ..Fix::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(server: ServerFacts) -> Vec<Finding> {
        let mut scene = Scene::new();
        scene.catalog.servers.insert("db1:5432".to_owned(), server);
        scene.look(|inputs| ReplicationLag.detect(inputs))
    }

    fn replica(lag_ms: f64, lag_bytes: u64) -> ServerFacts {
        let one = ReplicaFacts {
            name: "eu2".to_owned(),
            state: "streaming".to_owned(),
            lag_bytes: Some(lag_bytes),
            lag_ms: Some(lag_ms),
        };
        ServerFacts { replicas: vec![one], ..ServerFacts::default() }
    }

    fn slot(active: bool, retained_bytes: u64, wal_status: &str) -> ServerFacts {
        let one = SlotFacts {
            name: "old".to_owned(),
            active,
            retained_bytes,
            wal_status: wal_status.to_owned(),
        };
        ServerFacts { slots: vec![one], ..ServerFacts::default() }
    }

    #[test]
    fn a_standby_far_behind_is_found_from_either_side() {
        let findings = detect(replica(240_000.0, 5 << 30));
        assert_eq!(findings[0].severity, Severity::Critical);
        assert_eq!(findings[0].title, "standby eu2 is 4 min and 5.0 GB behind");
        assert_eq!(detect(replica(15_000.0, 10)).remove(0).severity, Severity::Warning);
        let standby = ServerFacts { replay_delay_ms: Some(70_000.0), ..ServerFacts::default() };
        assert_eq!(detect(standby).remove(0).severity, Severity::Critical);
    }

    #[test]
    fn a_slot_without_a_reader_is_found() {
        assert_eq!(detect(slot(false, 2 << 30, "extended")).remove(0).severity, Severity::Warning);
        assert_eq!(detect(slot(false, 10, "lost")).remove(0).severity, Severity::Critical);
    }

    #[test]
    fn a_little_lag_and_a_slot_that_is_read_are_fine() {
        assert!(detect(replica(900.0, 16 << 20)).is_empty());
        assert!(detect(slot(true, 2 << 30, "reserved")).is_empty());
        assert!(detect(slot(false, 1 << 20, "reserved")).is_empty());
    }
}
