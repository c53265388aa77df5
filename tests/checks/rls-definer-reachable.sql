-- subject: public.peek()
-- subject: public.own()
-- parameters: {"tables": ["public.clauses", "public.alerts"], "roles": ["app_user"]}
-- setup
DO $$ BEGIN CREATE ROLE ledger_t_owner NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE public.clauses (id int PRIMARY KEY);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
ALTER TABLE public.clauses OWNER TO ledger_t_owner;
-- Runs as the table's owner, whom FORCE binds.
CREATE FUNCTION public.own() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT count(*) FROM public.clauses';
ALTER FUNCTION public.own() OWNER TO ledger_t_owner;
GRANT EXECUTE ON FUNCTION public.own() TO app_user;
CREATE FUNCTION public.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1::bigint';
REVOKE EXECUTE ON FUNCTION public.peek() FROM PUBLIC;
-- defect
ALTER TABLE public.clauses NO FORCE ROW LEVEL SECURITY;
GRANT EXECUTE ON FUNCTION public.peek() TO app_user;
-- repair
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
REVOKE EXECUTE ON FUNCTION public.peek() FROM app_user;
