-- code: fk-expected
-- title: Every foreign key that the plan expects exists
-- step: foreign-keys
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: a key that a migration forgot leaves the reference to chance, and nothing in the database says that it is missing
-- fix: ALTER TABLE child ADD FOREIGN KEY (column) REFERENCES parent (column)

-- $1: {"expected": [{text, child_schema, child, columns, parent_schema, parent, parent_columns}]} from [foreign-keys] expected.
-- Columns are compared as pairs, whatever their order; a name without schema may stand in any.
WITH expected AS (
  SELECT e.*,
    (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(pair.c, pair.p) ORDER BY pair.c, pair.p)
     FROM ROWS FROM (pg_catalog.unnest(e.columns), pg_catalog.unnest(e.parent_columns)) AS pair(c, p)) AS pairs
  FROM pg_catalog.jsonb_to_recordset($1::jsonb -> 'expected')
    AS e(text text, child_schema text, child text, columns text[], parent_schema text, parent text, parent_columns text[])
), keys AS (
  SELECT con.conname, cn.nspname::text AS child_schema, c.relname::text AS child, pn.nspname::text AS parent_schema, p.relname::text AS parent,
    (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(ca.attname, pa.attname) ORDER BY ca.attname::text COLLATE "default", pa.attname::text COLLATE "default")
     FROM ROWS FROM (pg_catalog.unnest(con.conkey), pg_catalog.unnest(con.confkey)) AS pair(c, p)
     JOIN pg_catalog.pg_attribute AS ca ON ca.attrelid = con.conrelid AND ca.attnum = pair.c
     JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = con.confrelid AND pa.attnum = pair.p) AS pairs
  FROM pg_catalog.pg_constraint AS con
  JOIN pg_catalog.pg_class AS c ON c.oid = con.conrelid
  JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
  JOIN pg_catalog.pg_class AS p ON p.oid = con.confrelid
  JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
  WHERE con.contype = 'f' AND con.conparentid = 0
)
SELECT expected.text AS subject,
  found.names IS NOT NULL AS ok,
  'a foreign key' AS expected,
  CASE
    WHEN found.names IS NOT NULL THEN 'exists as ' || found.names
    WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                     WHERE c.relname = expected.child AND (expected.child_schema IS NULL OR n.nspname = expected.child_schema)
                       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
      THEN 'missing: there is no table ' || expected.child
    ELSE 'missing'
  END AS observed,
  NULL::jsonb AS detail
FROM expected
LEFT JOIN LATERAL (
  SELECT pg_catalog.string_agg(keys.conname::text, ', ' ORDER BY keys.conname::text) AS names
  FROM keys
  WHERE keys.child = expected.child AND keys.parent = expected.parent
    AND (expected.child_schema IS NULL OR keys.child_schema = expected.child_schema)
    AND (expected.parent_schema IS NULL OR keys.parent_schema = expected.parent_schema)
    AND keys.pairs = expected.pairs
) AS found ON true
ORDER BY 1
