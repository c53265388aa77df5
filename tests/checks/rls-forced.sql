-- subject: public.clauses
-- parameters: {"tables": ["public.clauses", "public.alerts"], "roles": ["app_user"], "force": true}
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL);
CREATE TABLE public.alerts (id int PRIMARY KEY, tenant_id int NOT NULL);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
ALTER TABLE public.alerts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.alerts FORCE ROW LEVEL SECURITY;
CREATE POLICY c ON public.clauses USING (tenant_id = current_setting('app.tenant', true)::int) WITH CHECK (tenant_id = current_setting('app.tenant', true)::int);
CREATE POLICY a ON public.alerts USING (tenant_id = current_setting('app.tenant', true)::int) WITH CHECK (tenant_id = current_setting('app.tenant', true)::int);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.clauses, public.alerts TO app_user;
-- defect
ALTER TABLE public.clauses NO FORCE ROW LEVEL SECURITY;
-- repair
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
