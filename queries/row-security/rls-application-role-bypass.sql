-- code: rls-application-role-bypass
-- title: No application role bypasses row security, by itself or through a membership
-- step: row-security
-- severity: critical
-- min-subjects: 1
-- why: superusers and BYPASSRLS roles see every row; a member may SET ROLE to them
-- fix: connect as a role without SUPERUSER and BYPASSRLS, and REVOKE the membership
WITH RECURSIVE reach(role, oid) AS (
    SELECT r.rolname, r.oid FROM pg_catalog.pg_roles r
    WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
    UNION
    SELECT reach.role, m.roleid FROM reach JOIN pg_catalog.pg_auth_members m ON m.member = reach.oid
)
SELECT w.name AS subject,
       COALESCE(NOT pg_catalog.bool_or(r.rolsuper OR r.rolbypassrls), false) AS ok,
       'neither SUPERUSER nor BYPASSRLS' AS expected,
       CASE WHEN pg_catalog.count(r.oid) = 0 THEN 'the role does not exist'
            WHEN pg_catalog.bool_or(r.rolsuper OR r.rolbypassrls)
            THEN 'bypasses as ' || pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname) FILTER (WHERE r.rolsuper OR r.rolbypassrls)
            ELSE 'does not bypass (' || pg_catalog.count(*) || ' roles in reach)' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles') AS w(name)
LEFT JOIN reach ON reach.role = w.name
LEFT JOIN pg_catalog.pg_roles r ON r.oid = reach.oid
GROUP BY w.name
ORDER BY w.name
