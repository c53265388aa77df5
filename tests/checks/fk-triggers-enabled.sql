-- subject: public.alerts(clause_id) -> public.clauses(id)
-- setup
CREATE TABLE public.clauses (id uuid PRIMARY KEY, tenant_id uuid NOT NULL);
CREATE TABLE public.alerts (id uuid PRIMARY KEY, clause_id uuid NOT NULL CONSTRAINT alerts_clause REFERENCES public.clauses (id));
CREATE INDEX ON public.alerts (clause_id);
-- defect
ALTER TABLE public.alerts DISABLE TRIGGER ALL;
-- repair
ALTER TABLE public.alerts ENABLE TRIGGER ALL;
