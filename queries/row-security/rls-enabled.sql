-- code: rls-enabled
-- title: Row security is enabled on every tenant table
-- step: row-security
-- severity: critical
-- min-subjects: 1
-- why: without it every policy of the table is ignored and every role with a grant reads all tenants
-- fix: ALTER TABLE ... ENABLE ROW LEVEL SECURITY
SELECT t.name AS subject,
       c.oid IS NOT NULL AND c.relrowsecurity AS ok,
       'enabled' AS expected,
       CASE WHEN c.oid IS NULL THEN 'the table does not exist'
            WHEN c.relrowsecurity THEN 'enabled'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid) THEN 'disabled, its policies are ignored'
            ELSE 'disabled' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
ORDER BY t.name
