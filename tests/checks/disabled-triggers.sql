-- subject: public.users.users_audit
-- subject: public.users.users_other
-- setup
CREATE TABLE public.users (id int PRIMARY KEY);
CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER users_audit AFTER INSERT ON public.users FOR EACH ROW EXECUTE FUNCTION public.audit();
CREATE TRIGGER users_other AFTER DELETE ON public.users FOR EACH ROW EXECUTE FUNCTION public.audit();
-- defect
ALTER TABLE public.users DISABLE TRIGGER users_audit;
ALTER TABLE public.users ENABLE REPLICA TRIGGER users_other;
-- repair
ALTER TABLE public.users ENABLE TRIGGER users_audit;
ALTER TABLE public.users ENABLE ALWAYS TRIGGER users_other;
