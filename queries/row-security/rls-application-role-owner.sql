-- code: rls-application-role-owner
-- title: No application role owns a tenant table or can become its owner
-- step: row-security
-- severity: high
-- min-subjects: 1
-- why: an owner may switch row security off, and without FORCE it does not even apply to it
-- fix: ALTER TABLE ... OWNER TO a role the application cannot SET ROLE to
WITH RECURSIVE reach(role, oid) AS (
    SELECT r.rolname, r.oid FROM pg_catalog.pg_roles r
    WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
    UNION
    SELECT reach.role, m.roleid FROM reach JOIN pg_catalog.pg_auth_members m ON m.member = reach.oid
)
SELECT t.name AS subject,
       NOT EXISTS (SELECT FROM reach WHERE reach.oid = c.relowner) AS ok,
       'owned by nobody the application can become' AS expected,
       'owned by ' || pg_catalog.pg_get_userbyid(c.relowner)
         || COALESCE((SELECT ', in reach of ' || pg_catalog.string_agg(DISTINCT reach.role, ', ') FROM reach WHERE reach.oid = c.relowner), '') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
ORDER BY t.name
