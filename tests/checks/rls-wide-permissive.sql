-- subject: public.clauses: not_deleted
-- parameters: {"tables": ["public.clauses", "public.alerts"], "roles": ["app_user"]}
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.clauses TO app_user;
CREATE POLICY own ON public.clauses TO app_user USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
-- Narrowed by a restrictive policy that asks.
CREATE TABLE public.alerts (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.alerts ENABLE ROW LEVEL SECURITY;
CREATE POLICY live ON public.alerts USING (state = 'live');
CREATE POLICY own ON public.alerts AS RESTRICTIVE USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
-- defect
CREATE POLICY not_deleted ON public.clauses FOR SELECT TO app_user USING (state IS DISTINCT FROM 'deleted');
-- repair
DROP POLICY not_deleted ON public.clauses;
CREATE POLICY not_deleted ON public.clauses AS RESTRICTIVE FOR SELECT TO app_user USING (state IS DISTINCT FROM 'deleted');
