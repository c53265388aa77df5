-- code: rls-extension-in-public
-- title: No extension lies in the schema public
-- step: row-security
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: its functions are served by an API over public, and stand among names that others may create there
-- fix: ALTER EXTENSION ... SET SCHEMA extensions (or drop it and create it there)
SELECT e.extname AS subject,
       n.nspname <> 'public' AS ok,
       'in a schema of its own' AS expected,
       'in ' || pg_catalog.quote_ident(n.nspname) AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname <> 'plpgsql'
ORDER BY 1
