-- subject: public.clauses
-- parameters: {"tables": ["public.clauses"], "roles": ["app_user"]}
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
GRANT SELECT (id, state), UPDATE (state) ON public.clauses TO app_user;
-- defect
GRANT SELECT ON public.clauses TO app_user;
-- repair
REVOKE SELECT ON public.clauses FROM app_user;
GRANT SELECT (id, state) ON public.clauses TO app_user;
