-- subject: public.clauses: own
-- clean: not-applicable
-- parameters: {"tables": ["public.clauses"], "roles": ["anon", "authenticated"]}
-- setup
DO $$ BEGIN CREATE ROLE anon NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE authenticated NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
CREATE SCHEMA auth;
CREATE TABLE auth.users (id int PRIMARY KEY, is_anonymous boolean NOT NULL DEFAULT false);
INSERT INTO auth.users VALUES (1, false);
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$ SELECT current_setting('request.jwt.claims', true)::jsonb $$;
CREATE POLICY own ON public.clauses TO authenticated USING (tenant_id = (SELECT current_setting('app.tenant', true)::int));
CREATE POLICY known ON public.clauses FOR SELECT TO authenticated USING ((tenant_id = (SELECT current_setting('app.tenant', true)::int)) AND (auth.jwt() ->> 'is_anonymous')::boolean IS NOT TRUE);
-- defect
INSERT INTO auth.users VALUES (2, true);
-- repair
DELETE FROM auth.users WHERE is_anonymous;
