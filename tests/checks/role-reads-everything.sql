-- subject: public.clauses
-- subject: apart."odd ""name"
-- parameters: {"role": "app_user", "exclude": ["left_out"]}
-- setup
CREATE SCHEMA left_out; CREATE TABLE left_out.t (n int);
CREATE SCHEMA apart; GRANT USAGE ON SCHEMA apart TO app_user;
CREATE TABLE public.clauses (id int); GRANT SELECT ON public.clauses TO app_user;
CREATE TABLE apart."odd ""name" (id int); GRANT SELECT ON apart."odd ""name" TO app_user;
-- defect
REVOKE SELECT ON public.clauses FROM app_user;
REVOKE USAGE ON SCHEMA apart FROM app_user;
-- repair
GRANT SELECT ON public.clauses TO app_user;
GRANT USAGE ON SCHEMA apart TO app_user;
