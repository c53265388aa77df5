-- code: no-foreign-tenant-id
-- title: No visible row carries another tenant's key
-- step: row-security
-- severity: critical
-- min-subjects: 6
-- why: one such row is a leak
-- fix: mend the SELECT policy of the table
-- as-role: app_user
-- setting: app.tenant_id = (SELECT t.id::text FROM public.tenants t ORDER BY t.name LIMIT 1)
SELECT seen.name AS subject, seen.n = 0 AS ok, '0 foreign rows' AS expected, seen.n || ' foreign rows' AS observed
FROM (
  SELECT 'public.tenants', pg_catalog.count(*) FROM public.tenants WHERE id <> pg_catalog.current_setting('app.tenant_id')::uuid
  UNION ALL SELECT 'public.users', pg_catalog.count(*) FROM public.users WHERE tenant_id <> pg_catalog.current_setting('app.tenant_id')::uuid
  UNION ALL SELECT 'public.projects', pg_catalog.count(*) FROM public.projects WHERE tenant_id <> pg_catalog.current_setting('app.tenant_id')::uuid
  UNION ALL SELECT 'public.alerts', pg_catalog.count(*) FROM public.alerts WHERE tenant_id <> pg_catalog.current_setting('app.tenant_id')::uuid
  UNION ALL SELECT 'public.ai_usage_logs', pg_catalog.count(*) FROM public.ai_usage_logs WHERE tenant_id <> pg_catalog.current_setting('app.tenant_id')::uuid
  UNION ALL SELECT 'public.audit_logs', pg_catalog.count(*) FROM public.audit_logs WHERE tenant_id <> pg_catalog.current_setting('app.tenant_id')::uuid
) AS seen (name, n);
