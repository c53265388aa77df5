-- code: not-valid-constraints
-- title: Every constraint is validated and enforced
-- step: integrity
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: a NOT VALID constraint says nothing about the rows that were there before it
-- fix: ALTER TABLE table VALIDATE CONSTRAINT name

-- $1: {"exclude": [schema]} from [backup] exclude-schemas.
-- CHECK and NOT NULL constraints of tables and domains; foreign keys have a check of their own.
SELECT pg_catalog.format('%I.%I.%I', n.nspname, COALESCE(c.relname, t.typname), con.conname) AS subject,
  con.convalidated AND COALESCE((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true) AS ok,
  'validated and enforced' AS expected,
  CASE
    WHEN NOT COALESCE((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true) THEN 'NOT ENFORCED'
    WHEN NOT con.convalidated THEN 'NOT VALID'
    ELSE 'validated and enforced'
  END AS observed,
  NULL::jsonb AS detail
FROM pg_catalog.pg_constraint AS con
JOIN pg_catalog.pg_namespace AS n ON n.oid = con.connamespace
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = con.conrelid
LEFT JOIN pg_catalog.pg_type AS t ON t.oid = con.contypid
WHERE con.contype IN ('c', 'n') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname::text <> ALL (ARRAY(SELECT pg_catalog.jsonb_array_elements_text($1::jsonb -> 'exclude')))
ORDER BY 1
