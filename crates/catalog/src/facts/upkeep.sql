-- How the tables $1 (which have rows: ordinary tables, leaves, materialised views; and partitioned
-- ones) are looked after. The functions behind pg_stat_all_tables, which cost less than the view.
SELECT c.oid,
       c.relkind::text,
       c.relispartition,
       (greatest(c.relpages, 0) * current_setting('block_size')::int8)::int8,
       coalesce((SELECT o.option_value::int4 FROM pg_options_to_table(c.reloptions) AS o
                 WHERE o.option_name = 'fillfactor'), 100),
       coalesce((SELECT o.option_value::bool FROM pg_options_to_table(c.reloptions) AS o
                 WHERE o.option_name = 'autovacuum_enabled'), true),
       coalesce(pg_stat_get_live_tuples(c.oid), 0)::int8,
       coalesce(pg_stat_get_dead_tuples(c.oid), 0)::int8,
       coalesce(pg_stat_get_mod_since_analyze(c.oid), 0)::int8,
       coalesce(pg_stat_get_tuples_updated(c.oid), 0)::int8,
       coalesce(pg_stat_get_tuples_deleted(c.oid), 0)::int8,
       extract(epoch FROM greatest(pg_stat_get_last_vacuum_time(c.oid),
                                   pg_stat_get_last_autovacuum_time(c.oid)))::float8,
       extract(epoch FROM greatest(pg_stat_get_last_analyze_time(c.oid),
                                   pg_stat_get_last_autoanalyze_time(c.oid)))::float8,
       coalesce(pg_stat_get_blocks_fetched(c.oid) - pg_stat_get_blocks_hit(c.oid), 0)::int8,
       coalesce(pg_stat_get_blocks_hit(c.oid), 0)::int8
FROM pg_catalog.pg_class c
WHERE c.oid = ANY ($1)
