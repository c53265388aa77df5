-- code: rls-identity-weak
-- title: Policies of tenant tables ask who the user is, not merely whether one is signed in or what the e-mail is
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: being signed in says nothing about the tenant, and an e-mail address can be changed or taken over
-- fix: compare auth.uid(), an app_metadata claim or a membership
--
-- Weak: the expression reads an e-mail claim; or it reads the session's role and nothing else that tells users apart, while no
-- restrictive policy of the table does either.
WITH policy AS (
    SELECT p.*, t.name,
           COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || ' ' || COALESCE(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') AS body
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
    JOIN pg_catalog.pg_policy p ON p.polrelid = pg_catalog.to_regclass(t.name)
), read AS (
    SELECT policy.*,
           body ~ 'auth\.email\(\)|->>? ''email''|request\.jwt\.claim\.email' AS email,
           body ~ 'auth\.role\(\)|->>? ''role''|request\.jwt\.claim\.role' AS role,
           -- What is left when the role has been taken out.
           pg_catalog.regexp_replace(body,
             'auth\.role\(\)|request\.jwt\.claim\.role|\(*\(?auth\.jwt\(\) ->>? ''role''|\(*current_setting\(''request\.jwt\.claims''[^)]*\)*(::jsonb?)?\)* ->>? ''role''', '', 'g')
             ~* '\mauth\.|\mcurrent_setting\(|\m(current_user|session_user)\M'
           OR EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid
                      WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = policy.oid
                        AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND f.proname NOT IN ('role', 'jwt', 'email'))
           OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = policy.oid
                        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> policy.polrelid) AS told
    FROM policy
), judged AS (
    SELECT read.*,
           email OR (role AND NOT told AND polpermissive
             AND NOT EXISTS (SELECT FROM read narrow WHERE narrow.polrelid = read.polrelid AND NOT narrow.polpermissive AND narrow.told
                               AND (narrow.polcmd = '*' OR narrow.polcmd = read.polcmd))) AS weak
    FROM read
)
SELECT name || ': ' || polname AS subject,
       NOT weak AS ok,
       'tells users apart by what they cannot change' AS expected,
       CASE WHEN weak AND email THEN 'decides by e-mail' WHEN weak THEN 'asks only whether one is signed in' ELSE 'does' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM judged
ORDER BY 1
