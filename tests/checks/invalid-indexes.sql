-- subject: public.users_email_key
-- setup
CREATE TABLE public.users (id int PRIMARY KEY, email text);
INSERT INTO public.users VALUES (1, 'ada@example.com'), (2, 'ada@example.com');
CREATE INDEX users_email_key ON public.users (email);
-- defect
-- What a CREATE UNIQUE INDEX CONCURRENTLY leaves behind that met a duplicate.
UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'public.users_email_key'::regclass;
-- repair
DROP INDEX public.users_email_key;
CREATE INDEX users_email_key ON public.users (email);
