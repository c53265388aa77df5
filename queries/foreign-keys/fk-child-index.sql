-- code: fk-child-index
-- title: Each foreign key has an index on its child
-- step: foreign-keys
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: without it every delete or key update of the parent reads the whole child, under a lock
-- fix: CREATE INDEX CONCURRENTLY ON child (column)

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
SELECT keys.subject,
  found.name IS NOT NULL AS ok,
  'a valid index that leads with the key''s columns' AS expected,
  COALESCE(found.name, 'none') AS observed,
  pg_catalog.jsonb_build_object('constraint', keys.conname) AS detail
FROM keys
LEFT JOIN LATERAL (
  SELECT pg_catalog.min(ic.relname::text) AS name
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
  JOIN pg_catalog.pg_am AS am ON am.oid = ic.relam
  WHERE i.indrelid = keys.conrelid AND i.indisvalid AND i.indisready AND i.indpred IS NULL
    AND (am.amname = 'btree' OR (am.amname = 'hash' AND pg_catalog.cardinality(keys.conkey) = 1))
    -- Any order of the leading columns serves an equality on all of them.
    AND (i.indkey::int2[])[0:pg_catalog.cardinality(keys.conkey) - 1] @> keys.conkey
    AND keys.conkey @> (i.indkey::int2[])[0:pg_catalog.cardinality(keys.conkey) - 1]
) AS found ON true
ORDER BY keys.subject, keys.conname
