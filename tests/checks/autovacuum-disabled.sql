-- subject: public.events
-- subject: public.pages
-- setup
CREATE TABLE public.events (id integer NOT NULL, body text);
CREATE TABLE public.pages (id integer NOT NULL, body text) WITH (autovacuum_vacuum_scale_factor = 0.01);
CREATE TABLE public.other (id integer NOT NULL) WITH (autovacuum_enabled = on);
-- defect
ALTER TABLE public.events SET (autovacuum_enabled = off);
ALTER TABLE public.pages SET (toast.autovacuum_enabled = false);
-- repair
ALTER TABLE public.events RESET (autovacuum_enabled);
ALTER TABLE public.pages RESET (toast.autovacuum_enabled);
