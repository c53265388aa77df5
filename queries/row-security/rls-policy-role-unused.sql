-- code: rls-policy-role-unused
-- title: Every policy of a tenant table speaks to a role the application can be
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: a permissive policy for another role admits nobody; a restrictive one narrows nobody, and looks as if it did
-- fix: ALTER POLICY ... TO the application's role (or to PUBLIC, for a restrictive one), or state the role in [tenancy] roles
WITH RECURSIVE reach(oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles r
    WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
    UNION
    SELECT m.roleid FROM reach JOIN pg_catalog.pg_auth_members m ON m.member = reach.oid
)
SELECT t.name || ': ' || p.polname AS subject,
       0 = ANY (p.polroles) OR EXISTS (SELECT FROM reach WHERE reach.oid = ANY (p.polroles)) AS ok,
       'for a role of the application' AS expected,
       CASE WHEN p.polpermissive THEN 'for ' ELSE 'restrictive, for ' END
         || pg_catalog.array_to_string(ARRAY(SELECT CASE o WHEN 0 THEN 'everyone' ELSE pg_catalog.pg_get_userbyid(o)::text END
                                             FROM pg_catalog.unnest(p.polroles) AS o ORDER BY 1), ', ') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
JOIN pg_catalog.pg_policy p ON p.polrelid = pg_catalog.to_regclass(t.name)
ORDER BY 1
