-- The newest open alerts of the tenant, with the clause each is about.
-- name: alert inbox
-- param: (SELECT t.id FROM public.tenants t WHERE t.name = 'Aldgate Bridges')
SELECT a.id, a.severity, a.created_at, c.kind, c.position
FROM public.alerts a
JOIN public.clauses c ON c.id = a.clause_id
WHERE a.tenant_id = $1::uuid AND a.state = 'open'
ORDER BY a.created_at DESC, a.id
LIMIT 25;
