-- Who keeps VACUUM from removing what died since: the three oldest of each kind.
(SELECT 'session', a.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''),
        greatest(age(a.backend_xmin), age(a.backend_xid))::int8,
        (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::float8
 FROM pg_catalog.pg_stat_activity a
 WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
   AND a.backend_type <> 'walsender' AND a.backend_type NOT LIKE 'autovacuum%'
   AND a.pid <> pg_backend_pid()
 ORDER BY 5 DESC NULLS LAST
 LIMIT 3)
UNION ALL
(SELECT 'prepared', 0, p.gid, p.owner::text, age(p.transaction)::int8,
        (extract(epoch FROM clock_timestamp() - p.prepared) * 1000)::float8
 FROM pg_catalog.pg_prepared_xacts p
 ORDER BY 5 DESC
 LIMIT 3)
UNION ALL
(SELECT 'slot', 0, s.slot_name::text, '',
        greatest(age(s.xmin), age(s.catalog_xmin))::int8, NULL
 FROM pg_catalog.pg_replication_slots s
 WHERE s.xmin IS NOT NULL OR s.catalog_xmin IS NOT NULL
 ORDER BY 5 DESC
 LIMIT 3)
UNION ALL
(SELECT 'standby', r.pid, coalesce(r.application_name, ''), coalesce(r.usename::text, ''),
        age(r.backend_xmin)::int8, NULL
 FROM pg_catalog.pg_stat_replication r
 WHERE r.backend_xmin IS NOT NULL
 ORDER BY 5 DESC
 LIMIT 3)
ORDER BY 5 DESC
