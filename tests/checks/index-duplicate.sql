-- subject: public."parts code, again"
-- subject: public.parts_id_idx
-- setup
CREATE TABLE public.parts (id integer PRIMARY KEY, code text, state text);
CREATE INDEX parts_code_idx ON public.parts (code);
CREATE INDEX parts_code_desc_idx ON public.parts (code DESC);
CREATE INDEX parts_code_some_idx ON public.parts (code) WHERE state = 'open';
CREATE INDEX parts_lower_idx ON public.parts (pg_catalog.lower(code));
CREATE INDEX parts_upper_idx ON public.parts (pg_catalog.upper(code));
-- defect
CREATE INDEX "parts code, again" ON public.parts (code);
CREATE INDEX parts_id_idx ON public.parts (id);
-- repair
DROP INDEX public."parts code, again";
DROP INDEX public.parts_id_idx;
