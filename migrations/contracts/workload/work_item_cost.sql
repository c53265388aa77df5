-- The cost page, what the bill of materials comes to for each part of one work item.
-- name: cost of a work item
-- param: (SELECT w.parent_id FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t WHERE t.name = 'Aldgate Bridges') AND w.parent_id IS NOT NULL ORDER BY w.parent_id LIMIT 1)
SELECT w.code, pg_catalog.count(b.id) AS items, pg_catalog.sum(b.total) AS cost
FROM public.wbs_items w
JOIN public.bom_items b ON b.wbs_item_id = w.id
WHERE w.parent_id = $1::uuid
GROUP BY w.id, w.code
ORDER BY cost DESC, w.code;
