-- The columns of the tables $1, with what pg_stats lets the role see. A partitioned table has
-- statistics of its own over all partitions.
SELECT a.attrelid,
       a.attname,
       format_type(a.atttypid, a.atttypmod),
       s.n_distinct::float8,
       s.null_frac::float8,
       s.most_common_freqs[1]::float8,
       s.correlation::float8,
       s.avg_width::float8,
       a.attnotnull
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stats s
       ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
      AND s.inherited = (c.relkind = 'p')
WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
