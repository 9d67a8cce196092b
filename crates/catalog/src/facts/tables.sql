-- The largest tables outside the system schemas ($1: how many), the largest first but partitioned
-- ones before them. What a partitioned table has is the sum of its leaves.
WITH RECURSIVE chosen AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind,
           row_number() OVER (ORDER BY c.relkind = 'p' DESC, c.relpages DESC, c.oid) AS place
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm')
      AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    ORDER BY place
    LIMIT $1
), part AS (
    SELECT oid AS root, oid, relkind FROM chosen
    UNION ALL
    SELECT p.root, c.oid, c.relkind
    FROM part p
    JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    WHERE p.relkind = 'p'
), total AS (
    SELECT p.root,
           array_agg(c.oid) AS parts,
           -- Before PostgreSQL 14 a table that was never analysed has 0 rows in 0 pages.
           CASE WHEN bool_and(c.reltuples < 0 OR (c.relpages = 0 AND c.reltuples = 0 AND
                     current_setting('server_version_num')::int4 < 140000)) THEN -1
                ELSE sum(greatest(c.reltuples, 0)) END AS rows,
           sum(greatest(c.relpages, 0) + coalesce(greatest(t.relpages, 0), 0)) AS pages,
           -- The functions behind pg_stat_user_tables: the view is computed for all tables.
           sum(pg_stat_get_numscans(c.oid)) AS seq_scan,
           sum(pg_stat_get_tuples_returned(c.oid)) AS seq_tup_read,
           sum((SELECT sum(pg_stat_get_numscans(i.indexrelid))
                FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid)) AS idx_scan,
           sum(pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid)
               + pg_stat_get_tuples_deleted(c.oid)) AS writes
    FROM part p
    JOIN pg_catalog.pg_class c ON c.oid = p.oid
    LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
    WHERE p.relkind <> 'p'
    GROUP BY p.root
)
SELECT chosen.oid,
       chosen.nspname,
       chosen.relname,
       coalesce(total.parts, '{}') AS parts,
       coalesce(total.rows, -1)::float8,
       (coalesce(total.pages, 0) * current_setting('block_size')::int8)::int8,
       coalesce(total.seq_scan, 0)::int8,
       coalesce(total.seq_tup_read, 0)::int8,
       coalesce(total.idx_scan, 0)::int8,
       coalesce(total.writes, 0)::int8,
       -- The condition under which pg_stats shows the table's columns.
       coalesce(has_table_privilege(chosen.oid, 'SELECT')
                AND NOT row_security_active(chosen.oid), false),
       top_schema.nspname,
       top.relname
FROM chosen
LEFT JOIN total ON total.root = chosen.oid
-- The partitioned table that a partition belongs to in the end.
LEFT JOIN pg_catalog.pg_class top
       ON top.oid = pg_partition_root(chosen.oid) AND top.oid <> chosen.oid
LEFT JOIN pg_catalog.pg_namespace top_schema ON top_schema.oid = top.relnamespace
ORDER BY chosen.place
