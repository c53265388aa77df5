-- subject: public.shout(text)
-- parameters: {"tables": ["public.clauses", "public.alerts"], "roles": ["app_user"]}
-- setup
CREATE FUNCTION public.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
-- defect
ALTER FUNCTION public.shout(text) LEAKPROOF;
-- repair
ALTER FUNCTION public.shout(text) NOT LEAKPROOF;
