-- subject: public.clauses: sweep
-- parameters: {"tables": ["public.clauses"], "roles": ["app_user"]}
-- setup
CREATE TABLE public.clauses (id int PRIMARY KEY, tenant_id int NOT NULL, state text);
ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.clauses TO app_user;
CREATE TABLE public.lines (action text, at timestamptz DEFAULT now());
CREATE FUNCTION public.write_line() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  -- UPDATE public.clauses SET state = 'x' stands in a comment alone
  IF TG_OP = 'UPDATE' OR TG_OP = 'DELETE' THEN INSERT INTO public.lines (action) VALUES (TG_OP); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER line AFTER UPDATE OR DELETE ON public.clauses FOR EACH ROW EXECUTE FUNCTION public.write_line();
CREATE FUNCTION public.sweep() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  UPDATE public.clauses AS c SET state = 'old' WHERE c.id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER sweep AFTER INSERT ON public.clauses FOR EACH ROW EXECUTE FUNCTION public.sweep();
-- defect
ALTER FUNCTION public.sweep() SECURITY DEFINER;
-- repair
ALTER FUNCTION public.sweep() SECURITY INVOKER;
