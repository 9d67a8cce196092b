//! Which query for which version of PostgreSQL.

/// `server_version_num`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerVersion(pub(crate) u32);

impl ServerVersion {
    /// Checkpoints begun by time and on request. PostgreSQL 17 moved them to a view of their own.
    pub(super) fn checkpoints(self) -> &'static str {
        if self.0 >= 170_000 {
            "SELECT num_timed, num_requested FROM pg_catalog.pg_stat_checkpointer"
        } else {
            "SELECT checkpoints_timed, checkpoints_req FROM pg_catalog.pg_stat_bgwriter"
        }
    }

    /// Replication slots, with the WAL they keep. `wal_status` came with PostgreSQL 13.
    pub(super) fn slots(self) -> String {
        let status = if self.0 >= 130_000 { "coalesce(s.wal_status, '')" } else { "''" };
        format!(
            "SELECT s.slot_name::text, s.active, \
                    coalesce(greatest(pg_wal_lsn_diff(w.position, s.restart_lsn), 0), 0)::float8, \
                    {status} \
             FROM pg_catalog.pg_replication_slots s \
             CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() \
                                     ELSE pg_current_wal_lsn() END AS position) AS w \
             ORDER BY 3 DESC LIMIT 50"
        )
    }

    /// Who waits for a lock, those who have waited longest first. Since PostgreSQL 14 the server
    /// says since when; before, what it runs began then at the latest, which only a role with
    /// pg_read_all_stats sees of others.
    pub(super) fn lock_waits(self) -> String {
        let since = if self.0 >= 140_000 {
            "l.waitstart"
        } else {
            "(SELECT a.query_start FROM pg_catalog.pg_stat_activity a WHERE a.pid = l.pid)"
        };
        format!(
            "WITH locks AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks), \
                  waiting AS (SELECT l.pid, l.locktype, l.mode, l.relation, {since} AS since \
                              FROM locks l \
                              WHERE NOT l.granted AND l.pid IS NOT NULL \
                              ORDER BY since NULLS LAST, l.pid LIMIT 50) \
             SELECT w.pid, pg_blocking_pids(w.pid), w.locktype, w.mode, \
                    (SELECT n.nspname || '.' || c.relname \
                     FROM pg_catalog.pg_class c \
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE c.oid = coalesce(w.relation, \
                               (SELECT min(t.relation) FROM locks t \
                                WHERE t.pid = w.pid AND t.locktype = 'tuple'))), \
                    coalesce(extract(epoch FROM clock_timestamp() - w.since) * 1000, 0)::float8 \
             FROM waiting w"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_moved_with_17() {
        assert!(ServerVersion(160_009).checkpoints().contains("pg_stat_bgwriter"));
        assert!(ServerVersion(170_000).checkpoints().contains("pg_stat_checkpointer"));
        assert!(ServerVersion(180_001).checkpoints().contains("num_timed, num_requested"));
    }

    #[test]
    fn what_came_later_is_not_asked_for_earlier() {
        assert!(!ServerVersion(120_020).slots().contains("s.wal_status"));
        assert!(ServerVersion(130_000).slots().contains("s.wal_status"));
        assert!(!ServerVersion(130_014).lock_waits().contains("waitstart"));
        assert!(ServerVersion(140_000).lock_waits().contains("waitstart"));
    }
}
