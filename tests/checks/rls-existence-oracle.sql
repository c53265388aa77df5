-- subject: public.clauses: public.clauses_code_key
-- subject: public.clauses: clauses_kind_fkey
-- parameters: {"tables": ["public.clauses", "public.kinds", "public.tenants"], "roles": ["app_user"], "scopes": {"public.clauses": ["tenant_id"], "public.kinds": ["tenant_id"], "public.tenants": null}}
-- setup
CREATE TABLE public.tenants (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE public.kinds (id int PRIMARY KEY, tenant_id int NOT NULL);
CREATE TABLE public.clauses (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id int NOT NULL, token uuid UNIQUE, code text, kind int);
ALTER TABLE public.clauses ADD CONSTRAINT clauses_tenant_code_key UNIQUE (tenant_id, code);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON public.clauses, public.tenants TO app_user;
-- defect
ALTER TABLE public.clauses ADD CONSTRAINT clauses_code_key UNIQUE (code);
ALTER TABLE public.clauses ADD CONSTRAINT clauses_kind_fkey FOREIGN KEY (kind) REFERENCES public.kinds;
-- repair
ALTER TABLE public.clauses DROP CONSTRAINT clauses_code_key;
CREATE POLICY own ON public.clauses FOR INSERT WITH CHECK (EXISTS (SELECT FROM public.kinds k WHERE k.id = kind AND k.tenant_id = clauses.tenant_id));
