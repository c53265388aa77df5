-- code: rls-default-privileges
-- title: Default privileges do not open future tables to the application
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: a table created tomorrow is readable before anybody gives it policies
-- fix: ALTER DEFAULT PRIVILEGES ... REVOKE ALL ON TABLES FROM the role, and grant table by table
SELECT 'tables of ' || pg_catalog.pg_get_userbyid(d.defaclrole) || COALESCE(' in ' || pg_catalog.quote_ident(n.nspname), '') AS subject,
       pg_catalog.count(g.grantee) = 0 AS ok,
       'nothing granted in advance' AS expected,
       COALESCE('granted in advance: ' || pg_catalog.string_agg(DISTINCT g.privilege_type || ' to '
         || CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(g.grantee)::text END, ', '), 'nothing') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_default_acl d
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
LEFT JOIN LATERAL (
    SELECT x.grantee, x.privilege_type FROM pg_catalog.aclexplode(d.defaclacl) AS x
    WHERE x.grantee = 0 OR x.grantee IN (SELECT r.oid FROM pg_catalog.pg_roles r
        WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles')))
) AS g ON true
WHERE d.defaclobjtype = 'r'
GROUP BY d.oid, d.defaclrole, n.nspname
ORDER BY 1
