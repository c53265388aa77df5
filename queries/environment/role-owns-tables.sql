-- code: role-owns-tables
-- title: The role owns the tables, or acts as their owner
-- step: environment
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: only its owner may alter a table, index it or give it policies; a migration of a table owned by others fails
-- fix: ALTER TABLE ... OWNER TO the role, or GRANT the owner TO it

-- $1: {"role": name or null for the session's own, "exclude": [schema, ...]}
WITH who AS (SELECT COALESCE($1::jsonb ->> 'role', CURRENT_USER::text)::name AS role)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject, pg_catalog.pg_has_role(who.role, c.relowner, 'USAGE') AS ok,
  'owner, or a member of it' AS expected,
  CASE WHEN pg_catalog.pg_has_role(who.role, c.relowner, 'USAGE') THEN 'owner, or a member of it'
       ELSE pg_catalog.format('owned by %I', pg_catalog.pg_get_userbyid(c.relowner)) END AS observed
FROM who, pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT COALESCE($1::jsonb -> 'exclude', '[]') ? n.nspname::text
ORDER BY 1
