-- One JSON object per foreign key that a table's own definition carries (inherited copies on partitions apart).
WITH RECURSIVE family AS (
  SELECT con.oid, con.oid AS root
  FROM pg_catalog.pg_constraint AS con
  WHERE con.contype = 'f' AND con.conparentid = 0
  UNION ALL
  SELECT con.oid, family.root
  FROM pg_catalog.pg_constraint AS con
  JOIN family ON con.conparentid = family.oid
), triggers AS (
  SELECT family.root, pg_catalog.count(*) AS total, pg_catalog.count(*) FILTER (WHERE trg.tgenabled NOT IN ('O', 'A')) AS disabled
  FROM family
  JOIN pg_catalog.pg_trigger AS trg ON trg.tgconstraint = family.oid AND trg.tgisinternal
  GROUP BY family.root
)
SELECT pg_catalog.jsonb_build_object(
  'name', con.conname,
  'child', pg_catalog.format('%I.%I', cn.nspname, c.relname),
  'child_schema', cn.nspname,
  'child_name', c.relname,
  'child_oid', c.oid::bigint,
  'child_partitioned', c.relkind = 'p',
  'child_rows', c.reltuples::float8,
  'parent', pg_catalog.format('%I.%I', pn.nspname, p.relname),
  'parent_schema', pn.nspname,
  'parent_name', p.relname,
  'parent_oid', p.oid::bigint,
  'parent_partitioned', p.relkind = 'p',
  'parent_rows', p.reltuples::float8,
  'columns', (
    SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'child', ca.attname,
      'child_quoted', pg_catalog.quote_ident(ca.attname),
      'child_type', pg_catalog.format_type(ca.atttypid, ca.atttypmod),
      'child_collation', CASE WHEN ca.attcollation = 0 THEN NULL ELSE (SELECT pg_catalog.format('%I.%I', n.nspname, l.collname) FROM pg_catalog.pg_collation AS l JOIN pg_catalog.pg_namespace AS n ON n.oid = l.collnamespace WHERE l.oid = ca.attcollation) END,
      'child_nullable', NOT ca.attnotnull,
      'parent', pa.attname,
      'parent_quoted', pg_catalog.quote_ident(pa.attname),
      'parent_type', pg_catalog.format_type(pa.atttypid, pa.atttypmod),
      'parent_collation', CASE WHEN pa.attcollation = 0 THEN NULL ELSE (SELECT pg_catalog.format('%I.%I', n.nspname, l.collname) FROM pg_catalog.pg_collation AS l JOIN pg_catalog.pg_namespace AS n ON n.oid = l.collnamespace WHERE l.oid = pa.attcollation) END,
      'equals', (SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM pg_catalog.pg_operator AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace WHERE o.oid = pair.operator)
    ) ORDER BY pair.place)
    FROM ROWS FROM (pg_catalog.unnest(con.conkey), pg_catalog.unnest(con.confkey), pg_catalog.unnest(con.conpfeqop)) WITH ORDINALITY AS pair(child, parent, operator, place)
    JOIN pg_catalog.pg_attribute AS ca ON ca.attrelid = con.conrelid AND ca.attnum = pair.child
    JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = con.confrelid AND pa.attnum = pair.parent
  ),
  'on_update', con.confupdtype,
  'on_delete', con.confdeltype,
  'match', con.confmatchtype,
  'deferrable', con.condeferrable,
  'deferred', con.condeferred,
  'validated', con.convalidated,
  'enforced', COALESCE((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true),
  'temporal', COALESCE((pg_catalog.to_jsonb(con) ->> 'conperiod')::boolean, false),
  'triggers', COALESCE(triggers.total, 0),
  'triggers_disabled', COALESCE(triggers.disabled, 0),
  'indexed', EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
    JOIN pg_catalog.pg_am AS am ON am.oid = ic.relam
    WHERE i.indrelid = con.conrelid AND i.indisvalid AND i.indisready AND i.indpred IS NULL
      AND (am.amname = 'btree' OR (am.amname = 'hash' AND pg_catalog.cardinality(con.conkey) = 1))
      AND (i.indkey::int2[])[0:pg_catalog.cardinality(con.conkey) - 1] @> con.conkey
      AND con.conkey @> (i.indkey::int2[])[0:pg_catalog.cardinality(con.conkey) - 1]
  ),
  'definition', pg_catalog.pg_get_constraintdef(con.oid)
)
FROM pg_catalog.pg_constraint AS con
JOIN pg_catalog.pg_class AS c ON c.oid = con.conrelid
JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
JOIN pg_catalog.pg_class AS p ON p.oid = con.confrelid
JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
LEFT JOIN triggers ON triggers.root = con.oid
WHERE con.contype = 'f' AND con.conparentid = 0
  AND cn.nspname <> 'information_schema' AND cn.nspname !~ '^pg_' AND cn.nspname::text <> ALL ($1::text[])
ORDER BY cn.nspname, c.relname, con.conname
