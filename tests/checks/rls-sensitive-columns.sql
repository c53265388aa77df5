-- subject: public.people."apiKey"
-- subject: public.people.password_hash
-- parameters: {"tables": ["public.clauses"], "roles": ["app_user"]}
-- setup
CREATE TABLE public.people (id int PRIMARY KEY, password_hash text, "apiKey" text, tokens int, secretary text, hidden_secret text);
ALTER TABLE public.people ENABLE ROW LEVEL SECURITY;
GRANT SELECT (id, password_hash, "apiKey", tokens, secretary) ON public.people TO app_user;
-- defect
ALTER TABLE public.people DISABLE ROW LEVEL SECURITY;
-- repair
ALTER TABLE public.people ENABLE ROW LEVEL SECURITY;
