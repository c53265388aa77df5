-- code: tables-have-a-key
-- title: Every table has a primary key
-- step: integrity
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: without one, equal rows cannot be told apart, replicated or mended one by one
-- fix: ALTER TABLE table ADD PRIMARY KEY (column)

-- $1: {"exclude": [schema]} from [backup] exclude-schemas.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
  key.name IS NOT NULL AS ok,
  'a primary key' AS expected,
  COALESCE(key.name, 'none') AS observed,
  NULL::jsonb AS detail
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT ic.relname::text AS name
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
  WHERE i.indrelid = c.oid AND i.indisprimary
) AS key ON true
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname::text <> ALL (ARRAY(SELECT pg_catalog.jsonb_array_elements_text($1::jsonb -> 'exclude')))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
