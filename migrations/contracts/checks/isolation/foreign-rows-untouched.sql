-- code: foreign-rows-untouched
-- title: UPDATE and DELETE by key do not reach another tenant's rows
-- step: row-security
-- severity: critical
-- min-subjects: 4
-- why: a write that crosses tenants destroys more than a read
-- fix: mend the UPDATE and DELETE policies of the table
-- as-role: app_user
-- setting: app.tenant_id = (SELECT t.id::text FROM public.tenants t ORDER BY t.name LIMIT 1)
-- setting: foreign.tenant = (SELECT t.id::text FROM public.tenants t ORDER BY t.name DESC LIMIT 1)
WITH
  updated_users AS (UPDATE public.users SET display_name = display_name WHERE tenant_id = pg_catalog.current_setting('foreign.tenant')::uuid RETURNING 1),
  updated_projects AS (UPDATE public.projects SET name = name WHERE tenant_id = pg_catalog.current_setting('foreign.tenant')::uuid RETURNING 1),
  deleted_alerts AS (DELETE FROM public.alerts WHERE tenant_id = pg_catalog.current_setting('foreign.tenant')::uuid RETURNING 1),
  deleted_usage AS (DELETE FROM public.ai_usage_logs WHERE tenant_id = pg_catalog.current_setting('foreign.tenant')::uuid RETURNING 1)
SELECT done.name AS subject, done.n = 0 AS ok, '0 rows' AS expected, done.n || ' rows' AS observed
FROM (
  SELECT 'UPDATE public.users', pg_catalog.count(*) FROM updated_users
  UNION ALL SELECT 'UPDATE public.projects', pg_catalog.count(*) FROM updated_projects
  UNION ALL SELECT 'DELETE public.alerts', pg_catalog.count(*) FROM deleted_alerts
  UNION ALL SELECT 'DELETE public.ai_usage_logs', pg_catalog.count(*) FROM deleted_usage
) AS done (name, n);
