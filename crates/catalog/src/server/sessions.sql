-- The sessions $1. What the role may not see is empty.
SELECT a.pid,
       coalesce(a.datname::text, ''),
       coalesce(a.usename::text, ''),
       coalesce(a.application_name, ''),
       coalesce(a.state, ''),
       extract(epoch FROM a.xact_start)::float8,
       CASE WHEN a.state IS NULL THEN '' ELSE coalesce(a.query, '') END
FROM pg_catalog.pg_stat_activity a
WHERE a.pid = ANY ($1)
