-- code: fk-like-column-without-key
-- title: Columns named like a reference have a foreign key
-- step: foreign-keys
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: clause_id beside a table clauses reads as a reference; without a key nothing keeps it one
-- fix: ALTER TABLE child ADD FOREIGN KEY (x_id) REFERENCES x (id), or rename the column

-- $1: {"exclude": [schema]} from [backup] exclude-schemas.
-- x_id, where the same schema has a table x, xs, xes or (y -> ies) with a unique column `id` or `x_id` of the same type.
WITH likely AS (
  SELECT c.oid AS relid, a.attnum, pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname) AS subject,
    pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, p.relname), ', ') AS parents
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class AS p ON p.relnamespace = c.relnamespace AND p.relkind IN ('r', 'p') AND p.oid <> c.oid
    AND p.relname::text IN (
      pg_catalog.left(a.attname::text, -3), pg_catalog.left(a.attname::text, -3) || 's', pg_catalog.left(a.attname::text, -3) || 'es',
      pg_catalog.regexp_replace(pg_catalog.left(a.attname::text, -3), 'y$', 'ies'))
  JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = p.oid AND pa.attname::text IN ('id', a.attname::text) AND pa.atttypid = a.atttypid
  JOIN pg_catalog.pg_index AS i ON i.indrelid = p.oid AND i.indisunique AND i.indnkeyatts = 1 AND (i.indkey::int2[])[0] = pa.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname::text LIKE '%_id'
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND n.nspname::text <> ALL (ARRAY(SELECT pg_catalog.jsonb_array_elements_text($1::jsonb -> 'exclude')))
  GROUP BY c.oid, a.attnum, n.nspname, c.relname, a.attname
)
SELECT likely.subject,
  found.name IS NOT NULL AS ok,
  'a foreign key to ' || likely.parents AS expected,
  COALESCE(found.name, 'none') AS observed,
  NULL::jsonb AS detail
FROM likely
LEFT JOIN LATERAL (
  SELECT pg_catalog.min(con.conname::text) AS name
  FROM pg_catalog.pg_constraint AS con
  WHERE con.contype = 'f' AND con.conrelid = likely.relid AND likely.attnum = ANY (con.conkey)
) AS found ON true
ORDER BY likely.subject
