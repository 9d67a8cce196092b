-- Sequences ($1: how many), with the column that owns each. A value that the role may not see is
-- NULL; so is one that was never drawn.
SELECT n.nspname,
       c.relname,
       q.seqincrement,
       q.seqmin,
       q.seqmax,
       q.seqcycle,
       r.readable,
       CASE WHEN r.readable THEN pg_sequence_last_value(c.oid) END,
       tn.nspname,
       t.relname,
       a.attname,
       format_type(a.atttypid, NULL)
FROM pg_catalog.pg_sequence q
JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT coalesce(has_sequence_privilege(c.oid, 'SELECT, USAGE'), false)
           -- Those of a primary's unlogged tables have no file on a standby.
           AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery()) AS readable
) AS r
LEFT JOIN pg_catalog.pg_depend d
       ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
      AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY n.nspname, c.relname
LIMIT $1
