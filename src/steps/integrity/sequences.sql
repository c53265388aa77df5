-- Sequences and the columns they fill: identity, called by the column's default, or owned by a column where no default says otherwise
-- (the application then calls it); $1: schemas left out.
SELECT DISTINCT pg_catalog.format('%I.%I', sn.nspname, s.relname) AS sequence,
  pg_catalog.format('%I.%I', cn.nspname, c.relname) AS "table",
  c.relkind = 'p' AS partitioned,
  pg_catalog.quote_ident(a.attname) AS "column",
  q.seqincrement AS increment,
  q.seqcycle AS cycles
FROM (
  SELECT d.objid AS sequence, d.refobjid AS relid, d.refobjsubid AS attnum
  FROM pg_catalog.pg_depend AS d
  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.refobjsubid > 0
    AND (d.deptype = 'i' OR (d.deptype = 'a'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef AS own WHERE own.adrelid = d.refobjid AND own.adnum = d.refobjsubid)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS called WHERE called.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                        AND called.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND called.refobjid = d.objid)))
  UNION
  SELECT d.refobjid, def.adrelid, def.adnum
  FROM pg_catalog.pg_depend AS d
  JOIN pg_catalog.pg_attrdef AS def ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND def.oid = d.objid
  WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
) AS fills
JOIN pg_catalog.pg_class AS s ON s.oid = fills.sequence AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace AS sn ON sn.oid = s.relnamespace
JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = s.oid
JOIN pg_catalog.pg_class AS c ON c.oid = fills.relid AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = fills.attnum AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid AND t.typcategory = 'N'
WHERE cn.nspname <> 'information_schema' AND cn.nspname !~ '^pg_' AND cn.nspname::text <> ALL ($1::text[])
ORDER BY 1, 2, 4
