-- code: fk-triggers-enabled
-- title: The triggers that enforce each foreign key fire
-- step: foreign-keys
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: with its triggers disabled a key is only a comment: it stands in the catalog, validated, and stops nothing
-- fix: ALTER TABLE table ENABLE TRIGGER ALL, then count the orphans that came in meanwhile

-- $1: {"exclude": [schema]} from [backup] exclude-schemas.
WITH RECURSIVE keys AS (
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
), family AS (
  SELECT oid, oid AS root FROM keys
  UNION ALL
  SELECT con.oid, family.root FROM pg_catalog.pg_constraint AS con JOIN family ON con.conparentid = family.oid
), fired AS (
  SELECT family.root, pg_catalog.count(*) AS total, pg_catalog.count(*) FILTER (WHERE trg.tgenabled NOT IN ('O', 'A')) AS silent,
    pg_catalog.string_agg(DISTINCT trg.tgrelid::pg_catalog.regclass::text, ', ') FILTER (WHERE trg.tgenabled NOT IN ('O', 'A')) AS tables
  FROM family
  JOIN pg_catalog.pg_trigger AS trg ON trg.tgconstraint = family.oid AND trg.tgisinternal
  GROUP BY family.root
)
SELECT keys.subject,
  COALESCE(fired.total, 0) > 0 AND fired.silent = 0 AS ok,
  'all internal triggers fire' AS expected,
  CASE
    WHEN fired.total IS NULL THEN 'it has no triggers'
    WHEN fired.silent > 0 THEN pg_catalog.format('%s of %s do not fire, on %s', fired.silent, fired.total, fired.tables)
    ELSE pg_catalog.format('%s of %s fire', fired.total, fired.total)
  END AS observed,
  pg_catalog.jsonb_build_object('constraint', keys.conname) AS detail
FROM keys
LEFT JOIN fired ON fired.root = keys.oid
-- NOT ENFORCED keys have no triggers by definition; fk-validated speaks of them.
WHERE COALESCE((keys.facts ->> 'conenforced')::boolean, true)
ORDER BY keys.subject, keys.conname
