-- code: invalid-indexes
-- title: Every index is valid
-- step: integrity
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: a CREATE INDEX CONCURRENTLY that failed leaves an index that costs every write and serves no read, or a UNIQUE that is not
-- fix: DROP INDEX CONCURRENTLY name, then create it again

-- $1: {"exclude": [schema]} from [backup] exclude-schemas.
SELECT pg_catalog.format('%I.%I', n.nspname, ic.relname) AS subject,
  i.indisvalid AND i.indisready AND i.indislive AS ok,
  'valid and ready' AS expected,
  CASE
    WHEN NOT i.indislive THEN 'being dropped'
    WHEN NOT i.indisready THEN 'not ready'
    WHEN NOT i.indisvalid THEN 'invalid'
    ELSE 'valid and ready'
  END AS observed,
  pg_catalog.jsonb_build_object('table', pg_catalog.format('%I.%I', tn.nspname, c.relname), 'unique', i.indisunique) AS detail
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = ic.relnamespace
JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS tn ON tn.oid = c.relnamespace
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname::text <> ALL (ARRAY(SELECT pg_catalog.jsonb_array_elements_text($1::jsonb -> 'exclude')))
ORDER BY 1
