-- code: rls-policy-without-rls
-- title: No table has policies that are switched off
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: a policy on a table whose row security is disabled looks like protection and does nothing
-- fix: ALTER TABLE ... ENABLE ROW LEVEL SECURITY
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       c.relrowsecurity AS ok,
       'enabled' AS expected,
       pg_catalog.count(*) || ' policies, row security ' || CASE WHEN c.relrowsecurity THEN 'enabled' ELSE 'disabled' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
GROUP BY n.nspname, c.relname, c.relrowsecurity
ORDER BY 1
