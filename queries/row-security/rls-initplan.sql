-- code: rls-initplan
-- title: Policies look the session's identity up once a statement, not once a row
-- step: row-security
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: a bare call in a policy runs for every row that the table holds; as a scalar subquery it runs once
-- fix: write (SELECT auth.uid()), (SELECT current_setting('...', true)::uuid), (SELECT my_function()) in the policy
--
-- Scalar subqueries without FROM are taken out of the policy's text from the inside out; a call that is left is evaluated per row.
WITH RECURSIVE policy AS (
    SELECT p.oid, n.nspname, c.relname, p.polname,
           COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || ' ; '
             || COALESCE(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') AS body
    FROM pg_catalog.pg_policy p
    JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relrowsecurity AND pg_catalog.pg_get_userbyid(n.nspowner) !~ '^supabase.*admin$'
), bare(oid, body, round) AS (
    -- Literals first: a parenthesis in one would not balance.
    SELECT oid, pg_catalog.regexp_replace(body, '''([^'']|'''')*''', '''''', 'g'), 0 FROM policy
    UNION ALL
    SELECT oid, pg_catalog.regexp_replace(body,
             '\( SELECT (?:(?!\mFROM\M)[^()]|\((?:[^()]|\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\))*\))*\)', 'once', 'g'), round + 1
    FROM bare
    WHERE round < 8 AND body ~ '\( SELECT (?:(?!\mFROM\M)[^()]|\((?:[^()]|\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\))*\))*\)'
), last AS (
    SELECT DISTINCT ON (oid) oid, body FROM bare ORDER BY oid, round DESC
), call AS (
    SELECT last.oid, 'current_setting' AS name FROM last WHERE body ~ '\mcurrent_setting\('
    UNION
    SELECT last.oid, pg_catalog.format('%I.%I', fn.nspname, f.proname)
    FROM last
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = last.oid
                               AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid AND f.pronargs = 0 AND f.provolatile <> 'i'
    JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
    WHERE pg_catalog.strpos(last.body, pg_catalog.quote_ident(f.proname) || '()') > 0
)
SELECT pg_catalog.format('%I.%I: %s', policy.nspname, policy.relname, policy.polname) AS subject,
       pg_catalog.count(call.name) = 0 AS ok,
       'once a statement' AS expected,
       COALESCE('once a row: ' || pg_catalog.string_agg(call.name || '()', ', ' ORDER BY call.name), 'once a statement') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM policy
LEFT JOIN call ON call.oid = policy.oid
GROUP BY policy.oid, policy.nspname, policy.relname, policy.polname
ORDER BY 1
