-- subject: public.countries
-- parameters: {"tables": ["public.clauses"], "roles": ["app_user"]}
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.clauses TO app_user;
-- defect
CREATE TABLE public.countries (code text PRIMARY KEY);
GRANT SELECT ON public.countries TO app_user;
-- repair
REVOKE SELECT ON public.countries FROM app_user;
