-- code: rls-policy-for-anon
-- title: No permissive policy of a tenant table speaks to visitors who are not signed in
-- step: row-security
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: a policy without TO is for everyone, and the role anon may reach the table: what it admits, a visitor gets
-- fix: ALTER POLICY ... TO authenticated, or REVOKE ALL ON ... FROM anon; if visitors are meant, accept the finding
SELECT t.name || ': ' || p.polname AS subject,
       NOT (p.polpermissive AND (0 = ANY (p.polroles) OR anon.oid = ANY (p.polroles))
            AND CASE p.polcmd
                  WHEN 'r' THEN pg_catalog.has_any_column_privilege(anon.oid, c.oid, 'SELECT')
                  WHEN 'a' THEN pg_catalog.has_any_column_privilege(anon.oid, c.oid, 'INSERT')
                  WHEN 'w' THEN pg_catalog.has_any_column_privilege(anon.oid, c.oid, 'UPDATE')
                  WHEN 'd' THEN pg_catalog.has_table_privilege(anon.oid, c.oid, 'DELETE')
                  ELSE pg_catalog.has_any_column_privilege(anon.oid, c.oid, 'SELECT,INSERT,UPDATE')
                       OR pg_catalog.has_table_privilege(anon.oid, c.oid, 'DELETE') END) AS ok,
       'for signed-in users, or anon has no privilege' AS expected,
       CASE WHEN 0 = ANY (p.polroles) THEN 'for everyone' WHEN anon.oid = ANY (p.polroles) THEN 'for anon' ELSE 'not for anon' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid
JOIN pg_catalog.pg_roles anon ON anon.rolname = 'anon'
ORDER BY 1
