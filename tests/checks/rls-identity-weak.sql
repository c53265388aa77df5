-- subject: public.clauses: signed_in
-- subject: public.clauses: by_mail
-- clean: not-applicable
-- parameters: {"tables": ["public.clauses", "public.alerts"], "roles": ["anon", "authenticated"]}
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
CREATE TABLE public.alerts (id int PRIMARY KEY, tenant_id int NOT NULL);
CREATE SCHEMA auth;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('request.jwt.claim.role', true) $$;
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$ SELECT current_setting('request.jwt.claims', true)::jsonb $$;
-- defect
CREATE POLICY signed_in ON public.clauses FOR SELECT USING ((SELECT auth.role()) = 'authenticated');
CREATE POLICY by_mail ON public.clauses FOR UPDATE USING (state = (auth.jwt() ->> 'email'));
-- The role beside what tells users apart, and a wide policy that a restrictive one narrows.
CREATE POLICY member ON public.clauses FOR DELETE USING (auth.role() = 'authenticated' AND tenant_id = (auth.jwt() -> 'app_metadata' ->> 'tenant_id')::int);
CREATE POLICY signed_in ON public.alerts USING (auth.role() = 'authenticated');
CREATE POLICY own ON public.alerts AS RESTRICTIVE USING (tenant_id = (auth.jwt() -> 'app_metadata' ->> 'tenant_id')::int);
-- repair
DROP POLICY signed_in ON public.clauses;
DROP POLICY by_mail ON public.clauses;
DROP POLICY member ON public.clauses;
DROP POLICY signed_in ON public.alerts;
DROP POLICY own ON public.alerts;
