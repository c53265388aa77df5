-- The history panel, everything that happened to one row.
-- name: history of a row
-- param: (SELECT x.row_key FROM public.audit_logs x WHERE x.tenant_id = (SELECT t.id FROM public.tenants t WHERE t.name = 'Aldgate Bridges') ORDER BY x.row_key LIMIT 1)
-- param: (SELECT t.id FROM public.tenants t WHERE t.name = 'Aldgate Bridges')
SELECT l.action, l.actor, l.changed_columns, l.created_at
FROM public.audit_logs l
WHERE l.tenant_id = $2::uuid AND l.table_name = 'clauses' AND l.row_key = $1::text
ORDER BY l.created_at;
