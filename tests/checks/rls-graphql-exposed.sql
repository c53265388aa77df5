-- subject: public.clauses
-- parameters: {"tables": ["public.clauses"], "roles": ["anon", "authenticated"]}
-- setup
DO $$ BEGIN CREATE ROLE anon NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE authenticated NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
GRANT SELECT ON public.clauses TO authenticated;
-- The extension cannot be had here; its line in the catalog is what the check reads.
SET allow_system_table_mods = on;
INSERT INTO pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT 99999, 'pg_graphql', r.oid, n.oid, false, '1.5' FROM pg_catalog.pg_roles r, pg_catalog.pg_namespace n
WHERE r.rolname = 'postgres' AND n.nspname = 'public';
-- defect
GRANT SELECT ON public.clauses TO anon;
-- repair
REVOKE SELECT ON public.clauses FROM anon;
