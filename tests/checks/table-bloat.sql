-- subject: public.lines
-- setup
CREATE TABLE public.lines (id integer NOT NULL, body text);
INSERT INTO public.lines SELECT n, repeat('x', 900) FROM generate_series(1, 30000) AS n;
-- The room that a fillfactor keeps free is meant.
CREATE TABLE public.roomy (id integer NOT NULL, body text) WITH (fillfactor = 25);
INSERT INTO public.roomy SELECT * FROM public.lines LIMIT 8000;
ANALYZE public.lines, public.roomy;
-- defect
DELETE FROM public.lines WHERE id % 10 <> 0;
ANALYZE public.lines;
-- repair
CREATE TABLE public.kept AS SELECT * FROM public.lines;
TRUNCATE public.lines;
INSERT INTO public.lines SELECT * FROM public.kept;
ANALYZE public.lines, public.kept;
