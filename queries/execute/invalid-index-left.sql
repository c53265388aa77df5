-- code: invalid-index-left
-- title: No invalid index is left behind
-- step: execute
-- severity: high
-- when-none: not-applicable
-- why: an interrupted CREATE INDEX CONCURRENTLY leaves an index that costs every write and serves no query
-- fix: DROP INDEX CONCURRENTLY the named index, then build it again
--
-- Every index of a table that is not the system's own. Partitioned indexes are invalid until each partition has one; they are asked too.
SELECT pg_catalog.format('%I.%I', n.nspname, i.relname) AS subject,
       x.indisvalid AND x.indisready AS ok,
       'valid and ready' AS expected,
       CASE WHEN x.indisvalid AND x.indisready THEN 'valid and ready' WHEN x.indisready THEN 'not valid' ELSE 'not ready' END AS observed,
       pg_catalog.jsonb_build_object('table', pg_catalog.format('%I.%I', n.nspname, t.relname)) AS detail
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1
