-- subject: public.peek()
-- parameters: {"tables": ["public.clauses", "public.alerts"], "roles": ["app_user"]}
-- setup
CREATE FUNCTION public.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1::bigint';
REVOKE EXECUTE ON FUNCTION public.peek() FROM PUBLIC;
-- defect
GRANT EXECUTE ON FUNCTION public.peek() TO app_user;
-- repair
REVOKE EXECUTE ON FUNCTION public.peek() FROM app_user;
