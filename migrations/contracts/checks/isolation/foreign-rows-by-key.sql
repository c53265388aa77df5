-- code: foreign-rows-by-key
-- title: Knowing the key of another tenant's row does not show it
-- step: row-security
-- severity: critical
-- min-subjects: 3
-- why: keys travel in links and logs; they must not open doors
-- fix: mend the SELECT policy of the table
-- as-role: app_user
-- setting: app.tenant_id = (SELECT t.id::text FROM public.tenants t ORDER BY t.name LIMIT 1)
-- setting: foreign.project = (SELECT p.id::text FROM public.projects p WHERE p.tenant_id::text = (SELECT t.id::text FROM public.tenants t ORDER BY t.name DESC LIMIT 1) ORDER BY p.id LIMIT 1)
-- setting: foreign.document = (SELECT d.id::text FROM public.documents d JOIN public.projects p ON p.id = d.project_id WHERE p.tenant_id::text = (SELECT t.id::text FROM public.tenants t ORDER BY t.name DESC LIMIT 1) ORDER BY d.id LIMIT 1)
-- setting: foreign.alert = (SELECT a.id::text FROM public.alerts a WHERE a.tenant_id::text = (SELECT t.id::text FROM public.tenants t ORDER BY t.name DESC LIMIT 1) ORDER BY a.id LIMIT 1)
SELECT seen.name AS subject, seen.n = 0 AS ok, 'not found' AS expected, CASE WHEN seen.n = 0 THEN 'not found' ELSE 'found' END AS observed
FROM (
  SELECT 'public.projects', pg_catalog.count(*) FROM public.projects WHERE id = pg_catalog.current_setting('foreign.project')::uuid
  UNION ALL SELECT 'public.documents', pg_catalog.count(*) FROM public.documents WHERE id = pg_catalog.current_setting('foreign.document')::uuid
  UNION ALL SELECT 'public.alerts', pg_catalog.count(*) FROM public.alerts WHERE id = pg_catalog.current_setting('foreign.alert')::uuid
) AS seen (name, n);
