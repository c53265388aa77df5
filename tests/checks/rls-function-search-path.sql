-- subject: public.shout(text)
-- setup
CREATE FUNCTION public.shout(text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = '' AS 'SELECT upper($1)';
-- Resolved when it was made.
CREATE FUNCTION public.resolved(t text) RETURNS text LANGUAGE sql RETURN upper(t);
-- defect
ALTER FUNCTION public.shout(text) RESET search_path;
-- repair
ALTER FUNCTION public.shout(text) SET search_path = pg_catalog;
