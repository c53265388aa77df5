-- code: role-reads-everything
-- title: The role may read every table
-- step: environment
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: a backup and a count over some of the tables is neither
-- fix: GRANT pg_read_all_data TO the role, or connect as the owner

-- $1: {"role": name or null for the session's own, "exclude": [schema, ...]}
WITH who AS (SELECT COALESCE($1::jsonb ->> 'role', CURRENT_USER::text)::name AS role)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
  pg_catalog.has_schema_privilege(who.role, n.oid, 'USAGE') AND pg_catalog.has_table_privilege(who.role, c.oid, 'SELECT') AS ok,
  'USAGE on the schema and SELECT' AS expected,
  CASE
    WHEN NOT pg_catalog.has_schema_privilege(who.role, n.oid, 'USAGE') THEN 'no USAGE on the schema'
    WHEN NOT pg_catalog.has_table_privilege(who.role, c.oid, 'SELECT') THEN 'no SELECT'
    ELSE 'USAGE on the schema and SELECT'
  END AS observed
FROM who, pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'S') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT COALESCE($1::jsonb -> 'exclude', '[]') ? n.nspname::text
ORDER BY 1
