-- subject: public.people
-- subject: public.people_twice
-- parameters: {"tables": ["public.clauses"], "roles": ["app_user"]}
-- setup
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email text);
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
CREATE VIEW public.people AS SELECT id, email FROM auth.users;
CREATE VIEW public.people_twice AS SELECT id, email FROM public.people;
CREATE VIEW public.own WITH (security_invoker = true) AS SELECT id FROM auth.users;
GRANT SELECT ON public.own TO app_user;
-- defect
GRANT SELECT ON public.people, public.people_twice TO app_user;
-- repair
REVOKE SELECT ON public.people, public.people_twice FROM app_user;
