-- code: required-extensions
-- title: The extensions that ledger.toml requires are installed
-- step: environment
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: a migration that uses a type or a function of a missing extension fails
-- fix: CREATE EXTENSION ..., or correct [require] extensions

-- $1: {"extensions": [name, ...]}
SELECT r.name AS subject, e.oid IS NOT NULL AS ok, 'installed' AS expected,
  CASE WHEN e.oid IS NOT NULL THEN 'installed, version ' || e.extversion
       WHEN a.name IS NOT NULL THEN 'available, not installed'
       ELSE 'not available on this server' END AS observed
FROM pg_catalog.jsonb_array_elements_text(COALESCE($1::jsonb -> 'extensions', '[]')) AS r(name)
LEFT JOIN pg_catalog.pg_extension AS e ON e.extname = r.name
LEFT JOIN pg_catalog.pg_available_extensions AS a ON a.name = r.name
ORDER BY 1
