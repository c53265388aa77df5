-- The reading view, the clauses of one document in order.
-- name: clauses of a document
-- param: (SELECT d.id FROM public.documents d JOIN public.projects p ON p.id = d.project_id WHERE p.tenant_id = (SELECT t.id FROM public.tenants t WHERE t.name = 'Aldgate Bridges') ORDER BY d.id LIMIT 1)
SELECT c.id, c.position, c.kind, c.body, c.confidence
FROM public.clauses c
WHERE c.document_id = $1::uuid
ORDER BY c.position, c.id;
