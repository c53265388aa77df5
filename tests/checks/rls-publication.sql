-- subject: warehouse: public.clauses
-- clean: not-applicable
-- parameters: {"tables": ["public.clauses"], "roles": ["app_user"]}
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
-- defect
CREATE PUBLICATION warehouse FOR TABLE public.clauses;
CREATE PUBLICATION supabase_realtime FOR TABLE public.clauses;
CREATE PUBLICATION one_tenant FOR TABLE public.clauses WHERE (tenant_id = 1);
-- repair
DROP PUBLICATION warehouse;
DROP PUBLICATION supabase_realtime;
DROP PUBLICATION one_tenant;
