-- code: rls-wide-permissive
-- title: No permissive policy of a tenant table leaves the tenant out
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: permissive policies are ORed: one that asks only about the row (a flag, a date) opens those rows to every tenant
-- fix: make it AS RESTRICTIVE, or compare the session's tenant in it too; if the rows are meant for everybody, accept the finding
--
-- A policy leaves the tenant out when it reads no setting, no role, no function of the application's and no other table, while another
-- policy of the table does. A restrictive policy that does read one, for the same command and everybody concerned, narrows it again. A
-- condition that is true for every row is asked by rls-no-tautology.
WITH policy AS (
    SELECT p.*, t.name,
           (COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || ' ' || COALESCE(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), ''))
             ~* '\mcurrent_setting\(|\m(current_user|session_user|current_role|user)\M'
             OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid
                          AND (d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                               OR d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> p.polrelid)) AS asks,
           pg_catalog.regexp_replace(pg_catalog.lower(COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '')), '[\s()]', '', 'g') AS bare
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
    JOIN pg_catalog.pg_policy p ON p.polrelid = pg_catalog.to_regclass(t.name)
), judged AS (
    SELECT policy.*,
           polpermissive AND NOT asks AND bare NOT IN ('true', 'false')
             AND EXISTS (SELECT FROM policy other WHERE other.polrelid = policy.polrelid AND other.asks)
             AND NOT EXISTS (SELECT FROM policy narrow
                             WHERE narrow.polrelid = policy.polrelid AND NOT narrow.polpermissive AND narrow.asks
                               AND (narrow.polcmd = '*' OR narrow.polcmd = policy.polcmd)
                               AND (0 = ANY (narrow.polroles) OR narrow.polroles @> policy.polroles)) AS wide
    FROM policy
)
SELECT name || ': ' || polname AS subject,
       NOT wide AS ok,
       'asks who the session is' AS expected,
       CASE WHEN wide THEN 'asks only about the row, and is ORed with the tenant''s policy'
            WHEN asks THEN 'asks who the session is'
            WHEN NOT polpermissive THEN 'restrictive'
            ELSE 'narrowed, or no policy of the table asks' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM judged
ORDER BY 1
