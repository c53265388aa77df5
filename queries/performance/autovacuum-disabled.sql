-- code: autovacuum-disabled
-- title: No table is left out of autovacuum
-- step: performance
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: without it dead rows stay, statistics age, and transaction numbers are held until the server vacuums the table by force
-- fix: ALTER TABLE ... RESET (autovacuum_enabled), and the same for toast.autovacuum_enabled
--
-- Whether autovacuum is on for the whole server is the server's matter, and staging's says nothing about production's.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       NOT off.main AND NOT off.toast AS ok,
       'autovacuum' AS expected,
       CASE WHEN off.main THEN 'autovacuum_enabled = false' WHEN off.toast THEN 'toast.autovacuum_enabled = false' ELSE 'autovacuum' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
CROSS JOIN LATERAL (
    SELECT COALESCE((SELECT NOT o.option_value::boolean FROM pg_catalog.pg_options_to_table(c.reloptions) o WHERE o.option_name = 'autovacuum_enabled'), false) AS main,
           COALESCE((SELECT NOT o.option_value::boolean FROM pg_catalog.pg_options_to_table(t.reloptions) o WHERE o.option_name = 'autovacuum_enabled'), false) AS toast
) off
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT pg_catalog.jsonb_exists(COALESCE($1::jsonb -> 'excluded_schemas', '[]'::jsonb), n.nspname)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
