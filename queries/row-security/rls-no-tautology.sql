-- code: rls-no-tautology
-- title: No policy of a tenant table is true for every row
-- step: row-security
-- severity: critical
-- min-subjects: 1
-- when-none: not-applicable
-- why: permissive policies are ORed, so one that is always true opens the table whatever the others say
-- fix: compare the row's tenant with the session's, or put a RESTRICTIVE policy beside it

-- A table whose rows belong to no tenant ([] in "scopes": countries, plans, ...) may be read by everybody; written it may not.
WITH policy AS (
    SELECT p.*, t.name,
           pg_catalog.regexp_replace(pg_catalog.lower(COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '')), '[\s()]', '', 'g') AS qual
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
    JOIN pg_catalog.pg_policy p ON p.polrelid = pg_catalog.to_regclass(t.name)
), judged AS (
    SELECT policy.*,
           polpermissive
             AND NOT (polcmd = 'r' AND COALESCE($1::pg_catalog.jsonb -> 'scopes' -> name = '[]', false))
             AND (qual ~ '^(true|not?false|1=1|0=0)$' OR qual ~ '^([a-z_][a-z0-9_.]*)=\1$' OR qual ~ '(^|or)true(or|$)') AS always,
           -- A restrictive policy that is not true itself, for the same command and everybody concerned, narrows it again.
           EXISTS (SELECT FROM policy narrow
                   WHERE narrow.polrelid = policy.polrelid AND NOT narrow.polpermissive AND narrow.qual NOT IN ('', 'true')
                     AND (narrow.polcmd = '*' OR narrow.polcmd = policy.polcmd)
                     AND (0 = ANY (narrow.polroles) OR narrow.polroles @> policy.polroles)) AS narrowed
    FROM policy
)
SELECT name AS subject,
       NOT pg_catalog.bool_or(always AND NOT narrowed) AS ok,
       'no policy that is always true' AS expected,
       CASE WHEN pg_catalog.bool_or(always AND NOT narrowed)
            THEN 'always true: ' || pg_catalog.string_agg(pg_catalog.quote_ident(polname), ', ' ORDER BY polname) FILTER (WHERE always AND NOT narrowed)
            ELSE pg_catalog.count(*) || ' policies, none always true' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM judged
GROUP BY name
ORDER BY name
