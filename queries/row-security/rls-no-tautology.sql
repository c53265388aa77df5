-- code: rls-no-tautology
-- title: No policy of a tenant table is true for every row
-- step: row-security
-- severity: critical
-- min-subjects: 1
-- when-none: not-applicable
-- why: permissive policies are ORed, so one that is always true opens the table whatever the others say
-- fix: compare the row's tenant with the session's, or put a RESTRICTIVE policy beside it

-- A table whose rows belong to no tenant ([] in "scopes": countries, plans, ...) or are shown on purpose (true in "shown": public
-- profiles) may be read by everybody; written it may not. Where it may be purpose or forgotten (false in "shown": a directory for
-- whoever signed in), that is not decided here either.
WITH policy AS (
    SELECT p.*, t.name,
           pg_catalog.regexp_replace(pg_catalog.lower(COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '')), '[\s()]', '', 'g') AS qual
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
    JOIN pg_catalog.pg_policy p ON p.polrelid = pg_catalog.to_regclass(t.name)
    -- A policy for a platform's own worker alone opens nothing to the application.
    WHERE 0 = ANY (p.polroles)
       OR EXISTS (SELECT FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles') AS app(name)
                  JOIN pg_catalog.pg_roles r ON r.rolname = app.name
                  CROSS JOIN LATERAL pg_catalog.unnest(p.polroles) AS of(oid)
                  WHERE pg_catalog.pg_has_role(r.oid, of.oid, 'USAGE'))
       OR pg_catalog.jsonb_array_length(COALESCE($1::pg_catalog.jsonb -> 'roles', '[]')) = 0
), judged AS (
    SELECT policy.*,
           polpermissive
             AND NOT (polcmd = 'r' AND COALESCE($1::pg_catalog.jsonb -> 'scopes' -> name = '[]', false))
             AND NOT (polcmd = 'r' AND COALESCE($1::pg_catalog.jsonb -> 'shown' -> name = 'true', false))
             AND (qual ~ '^(true|not?false|1=1|0=0)$' OR qual ~ '^([a-z_][a-z0-9_.]*)=\1$' OR qual ~ '(^|or)true(or|$)') AS always,
           polcmd = 'r' AND COALESCE($1::pg_catalog.jsonb -> 'shown' -> name = 'false', false) AS perhaps,
           -- A restrictive policy that is not true itself, for the same command and everybody concerned, narrows it again.
           EXISTS (SELECT FROM policy narrow
                   WHERE narrow.polrelid = policy.polrelid AND NOT narrow.polpermissive AND narrow.qual NOT IN ('', 'true')
                     AND (narrow.polcmd = '*' OR narrow.polcmd = policy.polcmd)
                     AND (0 = ANY (narrow.polroles) OR narrow.polroles @> policy.polroles)) AS narrowed
    FROM policy
)
SELECT name AS subject,
       CASE WHEN pg_catalog.bool_or(always AND NOT narrowed AND NOT perhaps) THEN false
            WHEN pg_catalog.bool_or(always AND NOT narrowed) THEN NULL
            ELSE true END AS ok,
       'no policy that is always true' AS expected,
       CASE WHEN pg_catalog.bool_and(perhaps OR NOT always OR narrowed) AND pg_catalog.bool_or(always AND NOT narrowed)
            THEN 'shown to whoever signed in: a directory, or forgotten; if it is meant, name the table in [tenancy] everybodys'
            WHEN pg_catalog.bool_or(always AND NOT narrowed)
            THEN 'always true: ' || pg_catalog.string_agg(pg_catalog.quote_ident(polname), ', ' ORDER BY polname) FILTER (WHERE always AND NOT narrowed)
            ELSE pg_catalog.count(*) || ' policies, none always true' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM judged
GROUP BY name
ORDER BY name
