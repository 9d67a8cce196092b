-- The columns of the tables $1, with what pg_stats lets the role see. A partitioned table has
-- statistics of its own over all partitions.
--
-- pg_stats is a security barrier, so that a join computes it for all tables there are; asked for one
-- table after the other (OFFSET 0 keeps it so) it uses the indexes of the catalogue.
SELECT a.attrelid,
       a.attname,
       format_type(a.atttypid, a.atttypmod),
       s.n_distinct::float8,
       s.null_frac::float8,
       s.commonest,
       s.correlation::float8,
       s.avg_width::float8,
       a.attnotnull
FROM unnest($1::oid[]) AS wanted (oid)
JOIN pg_catalog.pg_class c ON c.oid = wanted.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN LATERAL (
    SELECT s.n_distinct, s.null_frac, s.most_common_freqs[1]::float8 AS commonest, s.correlation,
           s.avg_width
    FROM pg_catalog.pg_stats s
    WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
      AND s.inherited = (c.relkind = 'p')
    OFFSET 0
) AS s ON true
ORDER BY a.attrelid, a.attnum
