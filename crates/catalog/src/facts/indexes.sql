-- The indexes of the tables $1. An index of a partitioned table has the sizes and scans of the
-- partitions' indexes.
WITH RECURSIVE part AS (
    SELECT i.indexrelid AS root, i.indexrelid AS oid, c.relkind
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = ANY ($1)
    UNION ALL
    SELECT p.root, c.oid, c.relkind
    FROM part p
    JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    WHERE p.relkind = 'I'
), total AS (
    SELECT p.root,
           array_agg(c.oid) AS parts,
           sum(greatest(c.relpages, 0)) AS pages,
           -- The functions behind pg_stat_user_indexes: the view is computed for all indexes.
           sum(pg_stat_get_numscans(c.oid)) AS idx_scan,
           sum(pg_stat_get_tuples_returned(c.oid)) AS idx_tup_read
    FROM part p
    JOIN pg_catalog.pg_class c ON c.oid = p.oid
    WHERE p.relkind <> 'I'
    GROUP BY p.root
)
SELECT i.indrelid,
       c.relname,
       m.amname,
       -- Of a plain column the name as it is, of an expression its text; pg_get_indexdef leaves
       -- the parentheses off a function call. It waits for locks, so it is asked only where needed.
       ARRAY(
           SELECT CASE WHEN a.attname IS NOT NULL THEN a.attname::text
                       ELSE (SELECT CASE WHEN d LIKE '(%' THEN d ELSE '(' || d || ')' END
                             FROM pg_get_indexdef(i.indexrelid, n, true) AS d) END
           FROM generate_series(1, i.indnkeyatts::int4) AS n
           LEFT JOIN pg_catalog.pg_attribute a
                  ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1]
           ORDER BY n
       ),
       ARRAY(
           SELECT a.attname::text
           FROM generate_series(i.indnkeyatts + 1, i.indnatts::int4) AS n
           JOIN pg_catalog.pg_attribute a
             ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1]
           ORDER BY n
       ),
       i.indisprimary,
       i.indisunique,
       i.indisvalid,
       pg_get_expr(i.indpred, i.indrelid, true),
       coalesce(total.parts, '{}') AS parts,
       (coalesce(total.pages, 0) * current_setting('block_size')::int8)::int8,
       coalesce(total.idx_scan, 0)::int8,
       coalesce(total.idx_tup_read, 0)::int8,
       i.indexrelid,
       ARRAY(SELECT i.indclass[n - 1] || '/' || i.indcollation[n - 1] || '/' || i.indoption[n - 1]
             FROM generate_series(1, i.indnkeyatts::int4) AS n
             ORDER BY n),
       i.indisexclusion OR i.indisreplident OR i.indisclustered
           OR EXISTS (SELECT FROM pg_catalog.pg_constraint k
                      -- By its table, for which pg_constraint has an index.
                      WHERE k.conrelid = i.indrelid AND k.conindid = i.indexrelid
                        AND k.contype IN ('p', 'u', 'x'))
           -- An index of a partition goes with that of the partitioned table.
           OR EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid),
       -- Whoever builds an index concurrently holds this lock on its table; so does VACUUM.
       NOT i.indisvalid
           AND EXISTS (SELECT FROM pg_catalog.pg_locks l
                       WHERE l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock'
                         AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                           WHERE d.datname = current_database())),
       -- What a key says beyond its column. An expression's own collation is taken for its type's.
       ARRAY(SELECT concat_ws(' ',
                        CASE WHEN i.indcollation[n - 1] <> 0
                              AND i.indcollation[n - 1] <> coalesce(a.attcollation, y.typcollation)
                             THEN 'COLLATE ' || quote_ident(l.collname) END,
                        CASE WHEN NOT o.opcdefault THEN quote_ident(o.opcname) END,
                        CASE i.indoption[n - 1] WHEN 1 THEN 'DESC NULLS LAST' WHEN 2 THEN 'NULLS FIRST'
                                                WHEN 3 THEN 'DESC' END)
             FROM generate_series(1, i.indnkeyatts::int4) AS n
             JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[n - 1]
             JOIN pg_catalog.pg_attribute k ON k.attrelid = i.indexrelid AND k.attnum = n
             JOIN pg_catalog.pg_type y ON y.oid = k.atttypid
             LEFT JOIN pg_catalog.pg_attribute a
                    ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1] AND a.attnum > 0
             LEFT JOIN pg_catalog.pg_collation l ON l.oid = i.indcollation[n - 1]
             ORDER BY n)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam
LEFT JOIN total ON total.root = i.indexrelid
WHERE i.indrelid = ANY ($1)
ORDER BY i.indrelid, c.relname
