-- subject: public.clauses: own
-- parameters: {"tables": ["public.clauses"], "roles": ["anon", "authenticated"]}
-- setup
DO $$ BEGIN CREATE ROLE anon NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE authenticated NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
GRANT SELECT ON public.clauses TO anon, authenticated;
CREATE POLICY own ON public.clauses FOR SELECT TO authenticated USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
CREATE POLICY narrow ON public.clauses AS RESTRICTIVE USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
-- Not granted to anon.
CREATE POLICY change ON public.clauses FOR UPDATE USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
-- defect
ALTER POLICY own ON public.clauses TO PUBLIC;
-- repair
REVOKE SELECT ON public.clauses FROM anon;
