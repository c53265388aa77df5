-- Columns of ordinary and partitioned tables (partitions apart), one row each; $1: schemas left out.
SELECT pg_catalog.jsonb_build_object(
  'table', pg_catalog.format('%I.%I', n.nspname, c.relname),
  'partitioned', c.relkind = 'p',
  'column', a.attname,
  'quoted', pg_catalog.quote_ident(a.attname),
  'nullable', NOT a.attnotnull,
  'base_type', COALESCE((SELECT b.typname FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_type AS b ON b.oid = t.typbasetype WHERE t.oid = a.atttypid AND t.typtype = 'd'),
                        (SELECT t.typname FROM pg_catalog.pg_type AS t WHERE t.oid = a.atttypid))
)
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname::text <> ALL ($1::text[])
ORDER BY n.nspname, c.relname, a.attnum
