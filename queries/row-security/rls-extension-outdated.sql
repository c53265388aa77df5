-- code: rls-extension-outdated
-- title: Every extension is at the version the server brings
-- step: row-security
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: an update of the server's packages mends an extension's SQL only after ALTER EXTENSION ... UPDATE
-- fix: ALTER EXTENSION ... UPDATE
SELECT e.extname AS subject,
       a.default_version IS NULL OR e.extversion = a.default_version AS ok,
       COALESCE(a.default_version, e.extversion) AS expected,
       e.extversion AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_extension e
LEFT JOIN pg_catalog.pg_available_extensions a ON a.name = e.extname
WHERE e.extname <> 'plpgsql'
ORDER BY 1
