-- subject: public.peek()
-- parameters: {"tables": ["public.clauses", "public.alerts"], "roles": ["app_user"]}
-- setup
CREATE FUNCTION public.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1::bigint';
-- defect
ALTER FUNCTION public.peek() RESET search_path;
-- repair
ALTER FUNCTION public.peek() SET search_path = '';
