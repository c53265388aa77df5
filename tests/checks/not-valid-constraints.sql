-- subject: public.users.email_has_at
-- subject: public.percent.even
-- setup
CREATE TABLE public.users (id int PRIMARY KEY, email text CONSTRAINT email_has_at CHECK (email LIKE '%@%'));
CREATE DOMAIN public.percent AS int CONSTRAINT in_range CHECK (VALUE BETWEEN 0 AND 100);
-- defect
ALTER TABLE public.users DROP CONSTRAINT email_has_at;
ALTER TABLE public.users ADD CONSTRAINT email_has_at CHECK (email LIKE '%@%') NOT VALID;
ALTER DOMAIN public.percent ADD CONSTRAINT even CHECK (VALUE % 2 = 0) NOT VALID;
-- repair
ALTER TABLE public.users VALIDATE CONSTRAINT email_has_at;
ALTER DOMAIN public.percent VALIDATE CONSTRAINT even;
