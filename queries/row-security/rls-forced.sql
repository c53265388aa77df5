-- code: rls-forced
-- title: Row security is forced on every tenant table
-- step: row-security
-- severity: high
-- min-subjects: 1
-- why: without FORCE the owner of the table, and every definer function and view it owns, bypasses the policies
-- fix: ALTER TABLE … FORCE ROW LEVEL SECURITY
SELECT t.name AS subject,
       c.oid IS NOT NULL AND c.relforcerowsecurity AS ok,
       'forced' AS expected,
       CASE WHEN c.oid IS NULL THEN 'the table does not exist'
            WHEN c.relforcerowsecurity THEN 'forced'
            ELSE 'not forced, the owner ' || pg_catalog.pg_get_userbyid(c.relowner) || ' sees every row' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
ORDER BY t.name
