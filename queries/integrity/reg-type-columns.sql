-- code: reg-type-columns
-- title: No column stores a number that another server would read differently
-- step: integrity
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: regproc, regoper and their like store object numbers: pg_upgrade refuses them and a restore changes what they mean
-- fix: ALTER TABLE ... ALTER COLUMN ... TYPE text
--
-- regclass, regtype and regrole are kept by pg_upgrade; their columns are examined and right.
SELECT pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname) AS subject,
       t.typname IN ('regclass', 'regtype', 'regrole') AS ok,
       'a type that pg_upgrade keeps' AS expected,
       t.typname::text AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE NOT a.attisdropped AND a.attnum > 0 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
  AND t.typname IN ('regclass', 'regtype', 'regrole', 'regcollation', 'regconfig', 'regdictionary', 'regnamespace', 'regoper', 'regoperator', 'regproc', 'regprocedure')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
