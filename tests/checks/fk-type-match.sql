-- subject: public."Al erts"(clause_id) -> public.clauses(id)
-- setup
CREATE TABLE public.clauses (id bigint PRIMARY KEY);
CREATE TABLE public."Al erts" (clause_id bigint REFERENCES public.clauses (id));
-- defect
ALTER TABLE public."Al erts" ALTER COLUMN clause_id TYPE int;
-- repair
ALTER TABLE public."Al erts" ALTER COLUMN clause_id TYPE bigint;
