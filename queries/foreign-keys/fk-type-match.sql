-- code: fk-type-match
-- title: Both sides of each foreign key have the same type and collation
-- step: foreign-keys
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: different types cost casts in every join; different collations can hold values that look equal and are not
-- fix: ALTER TABLE child ALTER COLUMN column TYPE the parent's type

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
  pg_catalog.bool_and(ca.atttypid = pa.atttypid AND ca.attcollation = pa.attcollation) AS ok,
  'the parent''s types and collations' AS expected,
  CASE WHEN pg_catalog.bool_and(ca.atttypid = pa.atttypid AND ca.attcollation = pa.attcollation) THEN 'the same'
    ELSE pg_catalog.string_agg(pg_catalog.format('%I %s%s, %I %s%s',
      ca.attname, pg_catalog.format_type(ca.atttypid, ca.atttypmod), CASE WHEN ca.attcollation <> pa.attcollation THEN ' COLLATE ' || ca.attcollation::pg_catalog.regcollation::text ELSE '' END,
      pa.attname, pg_catalog.format_type(pa.atttypid, pa.atttypmod), CASE WHEN ca.attcollation <> pa.attcollation THEN ' COLLATE ' || pa.attcollation::pg_catalog.regcollation::text ELSE '' END), '; ' ORDER BY pair.place)
      FILTER (WHERE ca.atttypid <> pa.atttypid OR ca.attcollation <> pa.attcollation)
  END AS observed,
  pg_catalog.jsonb_build_object('constraint', keys.conname) AS detail
FROM keys
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(keys.conkey), pg_catalog.unnest(keys.confkey)) WITH ORDINALITY AS pair(child, parent, place)
JOIN pg_catalog.pg_attribute AS ca ON ca.attrelid = keys.conrelid AND ca.attnum = pair.child
JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = keys.confrelid AND pa.attnum = pair.parent
GROUP BY keys.oid, keys.subject, keys.conname
ORDER BY keys.subject, keys.conname
