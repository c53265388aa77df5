-- subject: public.parts_code_idx
-- setup
CREATE TABLE public.parts (id integer PRIMARY KEY, code text);
CREATE INDEX parts_code_idx ON public.parts (code);
-- defect
UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'public.parts_code_idx'::pg_catalog.regclass;
-- repair
REINDEX INDEX public.parts_code_idx;
