-- subject: public.current_tenant()
-- parameters: {"tables": ["public.clauses", "public.alerts"], "roles": ["app_user"]}
-- setup
CREATE FUNCTION public.current_tenant() RETURNS int LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.tenant', true), '')::int $$;
-- defect
ALTER FUNCTION public.current_tenant() IMMUTABLE;
-- repair
ALTER FUNCTION public.current_tenant() STABLE;
