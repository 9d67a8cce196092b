-- The three tables with the oldest transaction ids and the three with the oldest multixacts, of all
-- there are: system tables, temporary ones and TOAST tables too, which are named after the table
-- that they belong to.
WITH old AS MATERIALIZED (
    (SELECT c.oid, false AS multixact, age(c.relfrozenxid) AS age
     FROM pg_catalog.pg_class c
     WHERE c.relkind IN ('r', 'm', 't') AND c.relfrozenxid <> '0'
     ORDER BY age DESC
     LIMIT 3)
    UNION ALL
    (SELECT c.oid, true, mxid_age(c.relminmxid) AS age
     FROM pg_catalog.pg_class c
     WHERE c.relkind IN ('r', 'm', 't') AND c.relminmxid <> '0'
     ORDER BY age DESC
     LIMIT 3)
)
SELECT old.multixact, n.nspname, t.relname, old.age::int8, t.relpersistence = 't'
FROM old
LEFT JOIN pg_catalog.pg_class o ON o.reltoastrelid = old.oid
JOIN pg_catalog.pg_class t ON t.oid = coalesce(o.oid, old.oid)
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
ORDER BY old.multixact, old.age DESC, n.nspname, t.relname
