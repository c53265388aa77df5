-- Units of a tree of labels; a session stands on a branch and sees what hangs below it.
-- roles: tree_app
-- leaks: public.visits
CREATE EXTENSION ltree;
CREATE TABLE public.units (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text NOT NULL, branch ltree NOT NULL UNIQUE);
CREATE TABLE public.files (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), unit_id uuid NOT NULL REFERENCES public.units, content text NOT NULL);
CREATE TABLE public.visits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, file_id uuid NOT NULL REFERENCES public.files, at timestamptz NOT NULL DEFAULT now());
ALTER TABLE public.units ENABLE ROW LEVEL SECURITY; ALTER TABLE public.files ENABLE ROW LEVEL SECURITY;
CREATE POLICY below ON public.units USING (NULLIF(current_setting('org.branch', true), '') IS NOT NULL AND branch <@ current_setting('org.branch', true)::ltree);
CREATE POLICY below ON public.files USING (unit_id IN (SELECT u.id FROM public.units u WHERE u.branch <@ NULLIF(current_setting('org.branch', true), '')::ltree));
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO tree_app;
