-- code: rls-snapshot-exposed
-- title: No materialized view over tenant tables, and no foreign table, is open to the application
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: neither can have policies: who may read it reads every tenant
-- fix: REVOKE ALL ON ... FROM the role, and offer a view with security_invoker or a function that filters
WITH RECURSIVE tenant_table AS (
    SELECT pg_catalog.to_regclass(t.name)::pg_catalog.oid AS oid
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
), uses(view, relation) AS (
    SELECT DISTINCT r.ev_class, d.refobjid
    FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
), over(view, relation) AS (
    SELECT view, relation FROM uses
    UNION
    SELECT over.view, uses.relation FROM over JOIN uses ON uses.view = over.relation
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       pg_catalog.count(r.oid) = 0 AS ok,
       'not readable by the application' AS expected,
       CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END
         || COALESCE(', readable by ' || pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname), ', not granted') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_roles r
       ON r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
      AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
      AND pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT')
WHERE (c.relkind = 'm' AND EXISTS (SELECT FROM over WHERE over.view = c.oid AND over.relation IN (SELECT oid FROM tenant_table)))
   OR (c.relkind = 'f' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
GROUP BY n.nspname, c.relname, c.relkind
ORDER BY 1
