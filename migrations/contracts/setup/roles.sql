-- Roles of the reference application, made once per server by a superuser, before the first migration.
-- migrator owns the schema and runs the migrations; app_user is what the application acts as.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'app_user') THEN
    CREATE ROLE app_user NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'migrator') THEN
    CREATE ROLE migrator LOGIN CREATEDB BYPASSRLS;
  END IF;
END
$$;
GRANT app_user TO migrator;
GRANT pg_monitor TO migrator;
GRANT SET ON PARAMETER session_replication_role TO migrator;
