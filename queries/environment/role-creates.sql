-- code: role-creates
-- title: The role may create what migrations create
-- step: environment
-- severity: high
-- min-subjects: 1
-- why: without CREATE a migration fails half-way, and the history of migrations has no place
-- fix: GRANT CREATE ON DATABASE ... / ON SCHEMA ... TO the role

-- $1: {"role": name or null for the session's own}
WITH who AS (SELECT COALESCE($1::jsonb ->> 'role', CURRENT_USER::text)::name AS role)
SELECT 'the history of migrations' AS subject,
  pg_catalog.has_database_privilege(who.role, pg_catalog.current_database()::text, 'CREATE')
    OR pg_catalog.to_regclass('ledger.schema_history') IS NOT NULL AS ok,
  'CREATE on the database, or the history exists' AS expected,
  CASE
    WHEN pg_catalog.to_regclass('ledger.schema_history') IS NOT NULL THEN 'the history exists'
    WHEN pg_catalog.has_database_privilege(who.role, pg_catalog.current_database()::text, 'CREATE') THEN 'CREATE on the database'
    ELSE 'neither'
  END AS observed
FROM who
UNION ALL
SELECT pg_catalog.format('schema %I', n.nspname), pg_catalog.has_schema_privilege(who.role, n.oid, 'CREATE'), 'CREATE',
  CASE WHEN pg_catalog.has_schema_privilege(who.role, n.oid, 'CREATE') THEN 'CREATE' ELSE 'no CREATE' END
FROM who, pg_catalog.pg_namespace AS n WHERE n.nspname = 'public'
