-- The server as a whole, as the role sees it. Of a standby that has replayed all it received the
-- last replayed transaction may be old without any delay.
SELECT extract(epoch FROM clock_timestamp())::float8,
       current_user::text,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
       pg_is_in_recovery(),
       CASE WHEN pg_is_in_recovery()
                 AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
            THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000
       END::float8,
       current_setting('autovacuum')::bool,
       current_setting('autovacuum_vacuum_threshold')::float8,
       current_setting('autovacuum_vacuum_scale_factor')::float8,
       current_setting('autovacuum_freeze_max_age')::int8,
       current_setting('autovacuum_multixact_freeze_max_age')::int8,
       pg_size_bytes(current_setting('max_wal_size')),
       extract(epoch FROM current_setting('checkpoint_timeout')::interval)::float8,
       pg_size_bytes(current_setting('shared_buffers'))
