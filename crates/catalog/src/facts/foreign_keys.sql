-- The foreign keys ($2: how many) of the tables $1; of partitions only those that are not their parent's.
SELECT k.conrelid,
       k.conname,
       ARRAY(SELECT a.attname::text
             FROM unnest(k.conkey) WITH ORDINALITY AS c (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number
             ORDER BY c.place),
       n.nspname,
       p.relname,
       coalesce(pg_stat_get_tuples_deleted(p.oid), 0)::int8
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conrelid = ANY ($1) AND k.conparentid = 0
ORDER BY k.conrelid, k.conname
LIMIT $2
