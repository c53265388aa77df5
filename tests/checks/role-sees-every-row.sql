-- subject: public.clauses
-- subject: public.alerts
-- parameters: {"role": "app_user"}
-- setup
CREATE TABLE public.alerts (id int); ALTER TABLE public.alerts OWNER TO app_user; ALTER TABLE public.alerts ENABLE ROW LEVEL SECURITY;
CREATE TABLE public.clauses (id int);
-- defect
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.alerts FORCE ROW LEVEL SECURITY;
-- repair
ALTER TABLE public.clauses DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.alerts NO FORCE ROW LEVEL SECURITY;
