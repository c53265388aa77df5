-- code: rls-table-outside
-- title: No table the application reads lies outside the tenant model
-- step: row-security
-- severity: low
-- min-subjects: 1
-- why: a table without row security and without a way to a tenant is shared by all of them; that may be meant, or it was forgotten
-- fix: add it to [tenancy] tables, or ENABLE ROW LEVEL SECURITY; if it holds no tenant's data, accept the finding
--
-- Partitions and children are asked by rls-partition-covered, tables of the API's roles by rls-api-table-open.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       (c.relrowsecurity OR w.name IS NOT NULL) AS ok,
       'a tenant table, or row security' AS expected,
       CASE WHEN w.name IS NOT NULL THEN 'tenant table'
            WHEN c.relrowsecurity THEN 'row security'
            ELSE 'shared by every tenant: '
                 || pg_catalog.string_agg(DISTINCT r.rolname || CASE WHEN pg_catalog.has_any_column_privilege(r.oid, c.oid, 'INSERT,UPDATE')
                      OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE') THEN ' writes it' ELSE ' reads it' END, ', ') END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles r
  ON r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
 AND r.rolname NOT IN ('anon', 'authenticated')
 AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
 AND (pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT,INSERT,UPDATE') OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE'))
LEFT JOIN pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS w(name)
       ON pg_catalog.to_regclass(w.name)::pg_catalog.oid = c.oid
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
GROUP BY n.nspname, c.relname, c.relrowsecurity, w.name
ORDER BY 1
