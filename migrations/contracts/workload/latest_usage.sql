-- The usage page, the five latest model calls of each user of the tenant.
-- name: latest usage by user
-- param: (SELECT t.id FROM public.tenants t WHERE t.name = 'Aldgate Bridges')
SELECT u.display_name, l.model, l.tokens, l.created_at
FROM public.users u
CROSS JOIN LATERAL (
  SELECT x.model, x.tokens, x.created_at FROM public.ai_usage_logs x WHERE x.user_id = u.id ORDER BY x.created_at DESC LIMIT 5
) AS l
WHERE u.tenant_id = $1::uuid
ORDER BY u.display_name, l.created_at DESC;
