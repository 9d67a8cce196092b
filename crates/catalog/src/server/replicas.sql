-- Standbys. A role without pg_read_all_stats sees that they are there, and no more.
SELECT coalesce(r.application_name, ''),
       coalesce(r.state, ''),
       pg_wal_lsn_diff(w.position, r.replay_lsn)::float8,
       (extract(epoch FROM r.replay_lag) * 1000)::float8
FROM pg_catalog.pg_stat_replication r
CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                        ELSE pg_current_wal_lsn() END AS position) AS w
ORDER BY 1
LIMIT 50
