-- subject: public.clauses
-- parameters: {"tables": ["public.clauses"], "roles": ["app_user"]}
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.clauses TO app_user;
CREATE POLICY own ON public.clauses FOR SELECT TO app_user USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
CREATE POLICY change ON public.clauses FOR UPDATE TO app_user USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
CREATE POLICY narrow ON public.clauses AS RESTRICTIVE USING (state <> 'gone');
-- defect
CREATE POLICY shared ON public.clauses FOR SELECT USING (state = 'shared');
-- repair
ALTER POLICY own ON public.clauses USING ((tenant_id = (SELECT current_setting('app.tenant', true)::int)) OR state = 'shared');
DROP POLICY shared ON public.clauses;
