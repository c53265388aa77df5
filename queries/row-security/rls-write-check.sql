-- code: rls-write-check
-- title: What may be written is as narrow as what may be read
-- step: row-security
-- severity: critical
-- min-subjects: 1
-- when-none: not-applicable
-- why: a WITH CHECK that is always true lets a session stamp rows with another tenant, or hand its own rows over
-- fix: WITH CHECK the same condition as USING (or leave WITH CHECK out, then USING is used)
WITH policy AS (
    SELECT p.*, t.name,
           pg_catalog.regexp_replace(pg_catalog.lower(COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '')), '[\s()]', '', 'g') AS qual,
           pg_catalog.regexp_replace(pg_catalog.lower(COALESCE(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '')), '[\s()]', '', 'g') AS wcheck
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
    JOIN pg_catalog.pg_policy p ON p.polrelid = pg_catalog.to_regclass(t.name)
    WHERE p.polcmd IN ('*', 'a', 'w')
), judged AS (
    SELECT policy.*,
           polpermissive AND (wcheck ~ '^(true|not?false|1=1|0=0)$' OR wcheck ~ '^([a-z_][a-z0-9_.]*)=\1$' OR wcheck ~ '(^|or)true(or|$)') AS open,
           EXISTS (SELECT FROM policy narrow
                   WHERE narrow.polrelid = policy.polrelid AND NOT narrow.polpermissive
                     AND COALESCE(NULLIF(narrow.wcheck, ''), narrow.qual) NOT IN ('', 'true')
                     AND (narrow.polcmd = '*' OR narrow.polcmd = policy.polcmd)
                     AND (0 = ANY (narrow.polroles) OR narrow.polroles @> policy.polroles)) AS narrowed
    FROM policy
)
SELECT name AS subject,
       NOT pg_catalog.bool_or(open AND NOT narrowed) AS ok,
       'every write is checked' AS expected,
       CASE WHEN pg_catalog.bool_or(open AND NOT narrowed)
            THEN 'WITH CHECK is always true: ' || pg_catalog.string_agg(pg_catalog.quote_ident(polname), ', ' ORDER BY polname) FILTER (WHERE open AND NOT narrowed)
            ELSE pg_catalog.count(*) || ' write policies, each checked' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM judged
GROUP BY name
ORDER BY name
