-- code: accepts-writes
-- title: The database accepts writes
-- step: environment
-- severity: high
-- min-subjects: 2
-- why: a standby, or a database whose default is read-only, cannot be migrated
-- fix: connect to the primary; ALTER DATABASE ... RESET default_transaction_read_only

-- The session that asks is read-only by itself, so the defaults are read where they are stored.
SELECT 'recovery' AS subject, NOT pg_catalog.pg_is_in_recovery() AS ok, 'a primary' AS expected,
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'a standby' ELSE 'a primary' END AS observed
UNION ALL
SELECT 'default_transaction_read_only',
  NOT COALESCE(pg_catalog.bool_or(pg_catalog.split_part(setting, '=', 2)::boolean), false),
  'off for this database and role',
  COALESCE(pg_catalog.string_agg(setting, ', '), 'off for this database and role')
FROM pg_catalog.pg_db_role_setting AS s, pg_catalog.unnest(s.setconfig) AS setting
WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()))
  AND s.setrole IN (0, (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER))
  AND pg_catalog.starts_with(setting, 'default_transaction_read_only=')
