-- Sequences ($1: how many), with the column that owns each. A value that the role may not see is
-- NULL; so is one that was never drawn. Values are read (which opens each sequence) only of those
-- chosen: the ones with the fewest numbers, which those of smallint and integer columns are.
WITH chosen AS MATERIALIZED (
    SELECT c.oid,
           n.nspname,
           c.relname,
           q.seqincrement,
           q.seqmin,
           q.seqmax,
           q.seqcycle,
           coalesce(has_sequence_privilege(c.oid, 'SELECT, USAGE'), false)
               -- Those of a primary's unlogged tables have no file on a standby.
               AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery()) AS readable,
           tn.nspname AS table_schema,
           t.relname AS table_name,
           a.attname,
           a.atttypid,
           least(CASE WHEN q.seqincrement < 0 THEN -(q.seqmin::numeric) ELSE q.seqmax END,
                 CASE a.atttypid WHEN 'int2'::regtype THEN 32767
                                 WHEN 'int4'::regtype THEN 2147483647 END) AS numbers
    FROM pg_catalog.pg_sequence q
    JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_depend d
           ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
          AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
          AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
    LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    ORDER BY q.seqcycle, numbers, n.nspname, c.relname
    LIMIT $1
)
SELECT nspname,
       relname,
       seqincrement,
       seqmin,
       seqmax,
       seqcycle,
       readable,
       CASE WHEN readable THEN pg_sequence_last_value(oid) END,
       table_schema,
       table_name,
       attname,
       format_type(atttypid, NULL)
FROM chosen
ORDER BY seqcycle, numbers, nspname, relname
