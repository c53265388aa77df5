-- code: rls-view-invoker
-- title: Views over tenant tables that the application reads run as the one who reads
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: a view without security_invoker reads as its owner, whose rights and policies then decide what every tenant sees
-- fix: ALTER VIEW ... SET (security_invoker = true)
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
), reader AS (
    SELECT r.oid, r.rolname FROM pg_catalog.pg_roles r
    WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       COALESCE(o.value, 'false') IN ('true', 'on', '1', 'yes')
         OR NOT (owner.rolsuper OR owner.rolbypassrls
                 OR EXISTS (SELECT FROM over JOIN pg_catalog.pg_class b ON b.oid = over.relation
                            WHERE over.view = c.oid AND b.oid IN (SELECT oid FROM tenant_table)
                              AND b.relowner = c.relowner AND NOT b.relforcerowsecurity)) AS ok,
       'security_invoker, or an owner bound by the policies' AS expected,
       CASE WHEN COALESCE(o.value, 'false') IN ('true', 'on', '1', 'yes') THEN 'security_invoker'
            ELSE 'runs as ' || owner.rolname || CASE WHEN owner.rolsuper OR owner.rolbypassrls THEN ', who bypasses row security' ELSE '' END
       END AS observed,
       pg_catalog.jsonb_build_object('read_by', (SELECT pg_catalog.jsonb_agg(r.rolname ORDER BY r.rolname) FROM reader r
                                                  WHERE pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT'))) AS detail
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles owner ON owner.oid = c.relowner
LEFT JOIN LATERAL (SELECT pg_catalog.split_part(x, '=', 2) AS value FROM pg_catalog.unnest(c.reloptions) AS x
                   WHERE x LIKE 'security_invoker=%') AS o ON true
WHERE c.relkind = 'v'
  AND EXISTS (SELECT FROM over WHERE over.view = c.oid AND over.relation IN (SELECT oid FROM tenant_table))
  AND EXISTS (SELECT FROM reader r WHERE pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT,INSERT,UPDATE')
                                      OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE'))
ORDER BY 1
