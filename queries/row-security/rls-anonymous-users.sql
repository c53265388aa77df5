-- code: rls-anonymous-users
-- title: Policies for signed-in users know that some of them are anonymous
-- step: row-security
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: an anonymous sign-in acts as authenticated: a policy for signed-in users admits it unless it asks for is_anonymous
-- fix: add a RESTRICTIVE policy with (SELECT (auth.jwt() ->> 'is_anonymous')::boolean) IS NOT TRUE; if they are meant, accept the finding
--
-- Examined only where anonymous accounts exist (auth.users.is_anonymous): whether they may sign in is set outside the database.
-- ts_stat runs a query that is given as text, so that auth.users need not exist; query_to_xml would, too, where the server has XML.
WITH account AS (
    SELECT EXISTS (SELECT FROM pg_catalog.ts_stat(
        CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = pg_catalog.to_regclass('auth.users') AND a.attname = 'is_anonymous' AND NOT a.attisdropped)
             THEN 'SELECT ''found''::pg_catalog.tsvector FROM auth.users WHERE is_anonymous LIMIT 1'
             ELSE 'SELECT ''found''::pg_catalog.tsvector WHERE false' END)) AS found
), policy AS (
    SELECT p.*, t.name,
           COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || ' ' || COALESCE(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '')
             ~ 'is_anonymous' AS knows
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
    JOIN pg_catalog.pg_policy p ON p.polrelid = pg_catalog.to_regclass(t.name)
    WHERE EXISTS (SELECT FROM account WHERE found)
)
SELECT name || ': ' || polname AS subject,
       knows OR EXISTS (SELECT FROM policy narrow
                        WHERE narrow.polrelid = policy.polrelid AND NOT narrow.polpermissive AND narrow.knows
                          AND (narrow.polcmd = '*' OR narrow.polcmd = policy.polcmd)) AS ok,
       'asks for is_anonymous' AS expected,
       CASE WHEN knows THEN 'asks for is_anonymous' ELSE 'does not ask for is_anonymous' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM policy
WHERE polpermissive
  AND (0 = ANY (polroles) OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = ANY (polroles) AND r.rolname = 'authenticated'))
ORDER BY 1
