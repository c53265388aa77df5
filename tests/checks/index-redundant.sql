-- subject: public.parts_code_idx
-- setup
CREATE TABLE public.parts (id integer PRIMARY KEY, code text, state text);
CREATE UNIQUE INDEX parts_state_key ON public.parts (state);
CREATE INDEX parts_state_id_idx ON public.parts (state, id);
CREATE INDEX parts_code_idx ON public.parts (code);
CREATE INDEX parts_state_code_idx ON public.parts (state, code);
CREATE INDEX parts_code_desc_idx ON public.parts (code DESC, state);
-- defect
CREATE INDEX parts_code_state_idx ON public.parts (code, state);
-- repair
DROP INDEX public.parts_code_state_idx;
