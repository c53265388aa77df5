-- subject: public.clauses
-- parameters: {"role": "migrator"}
-- setup
CREATE TABLE public.clauses (id int); ALTER TABLE public.clauses OWNER TO app_user;
-- defect
ALTER TABLE public.clauses OWNER TO postgres;
-- repair
ALTER TABLE public.clauses OWNER TO migrator;
