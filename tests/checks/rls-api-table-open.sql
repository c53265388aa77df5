-- subject: public.notes
-- parameters: {"tables": ["public.clauses"], "roles": ["anon", "authenticated"]}
-- setup
DO $$ BEGIN CREATE ROLE anon NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE authenticated NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL);
CREATE TABLE public.notes (id int PRIMARY KEY);
CREATE TABLE public.jobs (id int PRIMARY KEY);
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON public.notes TO anon;
-- A schema the API does not serve, and a schema of the platform's.
CREATE SCHEMA inside;
CREATE TABLE inside.notes (id int PRIMARY KEY);
GRANT USAGE ON SCHEMA inside TO anon;
GRANT SELECT ON inside.notes TO anon;
DO $$ BEGIN CREATE ROLE authenticator NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN EXECUTE format('ALTER ROLE authenticator IN DATABASE %I SET pgrst.db_schemas = %L', current_database(), 'public, graphql_public'); END $$;
-- defect
ALTER TABLE public.notes DISABLE ROW LEVEL SECURITY;
-- repair
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
