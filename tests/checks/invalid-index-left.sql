-- subject: public.left_behind
-- setup
CREATE TABLE public.t (id integer PRIMARY KEY, a integer);
CREATE INDEX left_behind ON public.t (a);
-- defect
UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'public.left_behind'::pg_catalog.regclass;
-- repair
DROP INDEX public.left_behind;
CREATE INDEX left_behind ON public.t (a);
