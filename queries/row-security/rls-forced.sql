-- code: rls-forced
-- title: No owner of a tenant table goes round row security
-- step: row-security
-- severity: high
-- min-subjects: 1
-- why: without FORCE the owner of the table, and every definer function and view it owns, bypasses the policies
-- fix: ALTER TABLE ... FORCE ROW LEVEL SECURITY

-- Without FORCE the owner sees every row. That matters where the application can become the owner, or where nothing is known of whom it
-- connects as; where it cannot, FORCE is asked for only if [tenancy] force says so.
WITH RECURSIVE reach(oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles r
    WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
    UNION
    SELECT m.roleid FROM reach JOIN pg_catalog.pg_auth_members m ON m.member = reach.oid
), asked AS (
    SELECT COALESCE(($1::pg_catalog.jsonb ->> 'force')::boolean, false) OR NOT EXISTS (SELECT FROM reach) AS always
)
SELECT t.name AS subject,
       c.oid IS NOT NULL AND (c.relforcerowsecurity OR NOT (asked.always OR c.relowner IN (SELECT oid FROM reach))) AS ok,
       CASE WHEN asked.always THEN 'forced' ELSE 'forced, or an owner that the application cannot become' END AS expected,
       CASE WHEN c.oid IS NULL THEN 'the table does not exist'
            WHEN c.relforcerowsecurity THEN 'forced'
            ELSE 'not forced, the owner ' || pg_catalog.pg_get_userbyid(c.relowner) || ' sees every row' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM asked, pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
ORDER BY t.name
