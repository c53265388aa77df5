-- code: nothing-with-empty-context
-- title: A session whose tenant is empty sees no row and no error
-- step: row-security
-- severity: high
-- min-subjects: 14
-- why: a pooled connection that was used before has the setting empty, not unset
-- fix: NULLIF(…, '') around the setting in every policy
-- as-role: app_user
-- setting: app.tenant_id = ('')
SELECT seen.name AS subject, seen.n = 0 AS ok, '0 rows' AS expected, seen.n || ' rows' AS observed
FROM (
  SELECT 'public.tenants', pg_catalog.count(*) FROM public.tenants
  UNION ALL SELECT 'public.users', pg_catalog.count(*) FROM public.users
  UNION ALL SELECT 'public.projects', pg_catalog.count(*) FROM public.projects
  UNION ALL SELECT 'public.documents', pg_catalog.count(*) FROM public.documents
  UNION ALL SELECT 'public.clauses', pg_catalog.count(*) FROM public.clauses
  UNION ALL SELECT 'public.analyses', pg_catalog.count(*) FROM public.analyses
  UNION ALL SELECT 'public.alerts', pg_catalog.count(*) FROM public.alerts
  UNION ALL SELECT 'public.extractions', pg_catalog.count(*) FROM public.extractions
  UNION ALL SELECT 'public.stakeholders', pg_catalog.count(*) FROM public.stakeholders
  UNION ALL SELECT 'public.wbs_items', pg_catalog.count(*) FROM public.wbs_items
  UNION ALL SELECT 'public.bom_items', pg_catalog.count(*) FROM public.bom_items
  UNION ALL SELECT 'public.stakeholder_wbs_raci', pg_catalog.count(*) FROM public.stakeholder_wbs_raci
  UNION ALL SELECT 'public.ai_usage_logs', pg_catalog.count(*) FROM public.ai_usage_logs
  UNION ALL SELECT 'public.audit_logs', pg_catalog.count(*) FROM public.audit_logs
) AS seen (name, n);
