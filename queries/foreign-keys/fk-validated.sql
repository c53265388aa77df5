-- code: fk-validated
-- title: Every foreign key is validated and enforced
-- step: foreign-keys
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: NOT VALID and NOT ENFORCED keys let the rows that were there before stay wrong
-- fix: ALTER TABLE child VALIDATE CONSTRAINT name (NOT ENFORCED: ALTER CONSTRAINT name ENFORCED)

-- $1: {"exclude": [schema]} from [backup] exclude-schemas.
WITH keys AS (
  SELECT con.*, pg_catalog.to_jsonb(con) AS facts,
    pg_catalog.format('%I.%I(%s) -> %I.%I(%s)', cn.nspname, c.relname,
      (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.place)
       FROM pg_catalog.unnest(con.conkey) WITH ORDINALITY AS k(attnum, place)
       JOIN pg_catalog.pg_attribute AS a ON a.attrelid = con.conrelid AND a.attnum = k.attnum),
      pn.nspname, p.relname,
      (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.place)
       FROM pg_catalog.unnest(con.confkey) WITH ORDINALITY AS k(attnum, place)
       JOIN pg_catalog.pg_attribute AS a ON a.attrelid = con.confrelid AND a.attnum = k.attnum)) AS subject
  FROM pg_catalog.pg_constraint AS con
  JOIN pg_catalog.pg_class AS c ON c.oid = con.conrelid
  JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
  JOIN pg_catalog.pg_class AS p ON p.oid = con.confrelid
  JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
  WHERE con.contype = 'f' AND con.conparentid = 0
    AND cn.nspname <> 'information_schema' AND cn.nspname !~ '^pg_'
    AND cn.nspname::text <> ALL (ARRAY(SELECT pg_catalog.jsonb_array_elements_text($1::jsonb -> 'exclude')))
)
SELECT subject,
  convalidated AND COALESCE((facts ->> 'conenforced')::boolean, true) AS ok,
  'validated and enforced' AS expected,
  CASE
    WHEN NOT COALESCE((facts ->> 'conenforced')::boolean, true) THEN 'NOT ENFORCED'
    WHEN NOT convalidated THEN 'NOT VALID'
    ELSE 'validated and enforced'
  END AS observed,
  pg_catalog.jsonb_build_object('constraint', conname) AS detail
FROM keys
ORDER BY subject, conname
