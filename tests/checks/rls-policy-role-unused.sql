-- subject: public.clauses: narrow
-- parameters: {"tables": ["public.clauses"], "roles": ["app_user"]}
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.clauses TO app_user;
DO $$ BEGIN CREATE ROLE ledger_t_editors NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE ledger_t_others NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT ledger_t_editors TO app_user;
CREATE POLICY own ON public.clauses TO ledger_t_editors USING (true);
CREATE POLICY narrow ON public.clauses AS RESTRICTIVE TO app_user USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
-- defect
ALTER POLICY narrow ON public.clauses TO ledger_t_others;
-- repair
ALTER POLICY narrow ON public.clauses TO PUBLIC;
