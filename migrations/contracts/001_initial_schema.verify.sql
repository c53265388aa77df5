-- Fourteen tables, each with a primary key and granted to app_user; tenant columns are never null.
DO $$
DECLARE
  expected constant text[] := ARRAY['tenants', 'users', 'projects', 'documents', 'clauses', 'analyses', 'alerts', 'extractions',
    'stakeholders', 'wbs_items', 'bom_items', 'stakeholder_wbs_raci', 'ai_usage_logs', 'audit_logs'];
  missing text;
BEGIN
  SELECT pg_catalog.string_agg(t, ', ') INTO missing
  FROM pg_catalog.unnest(expected) AS t
  WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
    WHERE n.nspname = 'public' AND c.relname = t AND c.relkind = 'r'
      AND pg_catalog.has_table_privilege('app_user', c.oid, 'SELECT')
      AND pg_catalog.has_table_privilege('app_user', c.oid, 'INSERT')
      AND pg_catalog.has_table_privilege('app_user', c.oid, 'UPDATE')
      AND pg_catalog.has_table_privilege('app_user', c.oid, 'DELETE'));
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'tables missing, without primary key or not granted to app_user: %', missing;
  END IF;

  SELECT pg_catalog.string_agg(t, ', ') INTO missing
  FROM pg_catalog.unnest(ARRAY['users', 'projects', 'alerts', 'ai_usage_logs', 'audit_logs']) AS t
  WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = pg_catalog.to_regclass('public.' || t) AND a.attname = 'tenant_id' AND a.attnotnull);
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'tenant_id may be null in: %', missing;
  END IF;
END
$$;
