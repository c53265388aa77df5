-- code: index-invalid
-- title: Every index is valid and ready
-- step: performance
-- severity: low
-- when-none: not-applicable
-- why: an invalid index is maintained by every write and used by no query; CREATE INDEX CONCURRENTLY leaves one behind when it fails
-- fix: REINDEX INDEX CONCURRENTLY, or DROP INDEX CONCURRENTLY and create it again
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       i.indisvalid AND i.indisready AS ok,
       'valid and ready' AS expected,
       CASE WHEN NOT i.indisready THEN 'not ready' WHEN NOT i.indisvalid THEN 'invalid' ELSE 'valid and ready' END AS observed,
       pg_catalog.jsonb_build_object('table', i.indrelid::pg_catalog.regclass::text) AS detail
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND NOT pg_catalog.jsonb_exists(COALESCE($1::jsonb -> 'excluded_schemas', '[]'::jsonb), n.nspname)
 ORDER BY 1
