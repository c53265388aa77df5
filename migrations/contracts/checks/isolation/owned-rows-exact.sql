-- code: owned-rows-exact
-- title: Where ownership goes through parents, a tenant sees exactly its own rows
-- step: row-security
-- severity: critical
-- min-subjects: 8
-- why: these tables have no tenant column, so only the path to the project tells whose a row is
-- fix: mend the SELECT policy of the table
-- as-role: app_user
-- setting: app.tenant_id = (SELECT t.id::text FROM public.tenants t ORDER BY t.name LIMIT 1)
-- setting: truth.documents = (SELECT pg_catalog.count(*)::text FROM public.documents x JOIN public.projects p ON p.id = x.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t ORDER BY t.name LIMIT 1))
-- setting: truth.clauses = (SELECT pg_catalog.count(*)::text FROM public.clauses x JOIN public.documents d ON d.id = x.document_id JOIN public.projects p ON p.id = d.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t ORDER BY t.name LIMIT 1))
-- setting: truth.analyses = (SELECT pg_catalog.count(*)::text FROM public.analyses x JOIN public.projects p ON p.id = x.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t ORDER BY t.name LIMIT 1))
-- setting: truth.extractions = (SELECT pg_catalog.count(*)::text FROM public.extractions x JOIN public.documents d ON d.id = x.document_id JOIN public.projects p ON p.id = d.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t ORDER BY t.name LIMIT 1))
-- setting: truth.stakeholders = (SELECT pg_catalog.count(*)::text FROM public.stakeholders x JOIN public.projects p ON p.id = x.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t ORDER BY t.name LIMIT 1))
-- setting: truth.wbs_items = (SELECT pg_catalog.count(*)::text FROM public.wbs_items x JOIN public.projects p ON p.id = x.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t ORDER BY t.name LIMIT 1))
-- setting: truth.bom_items = (SELECT pg_catalog.count(*)::text FROM public.bom_items x JOIN public.wbs_items w ON w.id = x.wbs_item_id JOIN public.projects p ON p.id = w.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t ORDER BY t.name LIMIT 1))
-- setting: truth.stakeholder_wbs_raci = (SELECT pg_catalog.count(*)::text FROM public.stakeholder_wbs_raci x JOIN public.wbs_items w ON w.id = x.wbs_item_id JOIN public.projects p ON p.id = w.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t ORDER BY t.name LIMIT 1))
SELECT 'public.' || seen.name AS subject, seen.n::text = pg_catalog.current_setting('truth.' || seen.name) AS ok,
  pg_catalog.current_setting('truth.' || seen.name) || ' rows' AS expected, seen.n || ' rows' AS observed
FROM (
  SELECT 'documents', pg_catalog.count(*) FROM public.documents
  UNION ALL SELECT 'clauses', pg_catalog.count(*) FROM public.clauses
  UNION ALL SELECT 'analyses', pg_catalog.count(*) FROM public.analyses
  UNION ALL SELECT 'extractions', pg_catalog.count(*) FROM public.extractions
  UNION ALL SELECT 'stakeholders', pg_catalog.count(*) FROM public.stakeholders
  UNION ALL SELECT 'wbs_items', pg_catalog.count(*) FROM public.wbs_items
  UNION ALL SELECT 'bom_items', pg_catalog.count(*) FROM public.bom_items
  UNION ALL SELECT 'stakeholder_wbs_raci', pg_catalog.count(*) FROM public.stakeholder_wbs_raci
) AS seen (name, n);
