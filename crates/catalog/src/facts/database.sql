-- The database as a whole.
SELECT extract(epoch FROM clock_timestamp())::float8,
       age(d.datfrozenxid)::int8,
       mxid_age(d.datminmxid)::int8,
       extract(epoch FROM coalesce(pg_stat_get_db_stat_reset_time(d.oid),
                                   pg_postmaster_start_time()))::float8,
       pg_size_bytes(current_setting('work_mem')),
       coalesce(current_setting('hash_mem_multiplier', true)::float8, 1),
       coalesce(pg_stat_get_db_blocks_fetched(d.oid) - pg_stat_get_db_blocks_hit(d.oid), 0)::int8,
       coalesce(pg_stat_get_db_blocks_hit(d.oid), 0)::int8,
       coalesce(pg_stat_get_db_temp_files(d.oid), 0)::int8,
       coalesce(pg_stat_get_db_temp_bytes(d.oid), 0)::int8
FROM pg_catalog.pg_database d
WHERE d.datname = current_database()
