-- subject: public.clauses: bare
-- subject: public.clauses: by function
-- clean: not-applicable
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
CREATE TABLE public.members (user_id int, tenant_id int);
CREATE FUNCTION public.my_tenant() RETURNS int LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.tenant', true), '')::int $$;
-- defect
CREATE POLICY bare ON public.clauses FOR SELECT USING (tenant_id = current_setting('app.tenant', true)::int);
CREATE POLICY "by function" ON public.clauses FOR DELETE USING (tenant_id = public.my_tenant());
-- Once a statement, in every way to write it.
CREATE POLICY wrapped ON public.clauses FOR SELECT USING (tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')::int));
CREATE POLICY wrapped_function ON public.clauses FOR SELECT USING (tenant_id = (SELECT public.my_tenant()));
CREATE POLICY nested ON public.clauses FOR UPDATE USING (EXISTS (SELECT 1 FROM public.members m
  WHERE m.tenant_id = clauses.tenant_id AND m.user_id = (SELECT coalesce(nullif(nullif(current_setting('app.user (id)', true), ''), '('), '0')::int)));
-- repair
ALTER POLICY bare ON public.clauses USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
ALTER POLICY "by function" ON public.clauses USING (tenant_id = (SELECT public.my_tenant()));
DROP POLICY bare ON public.clauses;
DROP POLICY "by function" ON public.clauses;
DROP POLICY wrapped ON public.clauses;
DROP POLICY wrapped_function ON public.clauses;
DROP POLICY nested ON public.clauses;
