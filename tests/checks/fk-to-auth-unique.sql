-- subject: public.profiles: profiles_email_fkey
-- setup
DO $$ BEGIN CREATE ROLE supabase_auth_admin NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email text UNIQUE);
CREATE TABLE public.profiles (id uuid REFERENCES auth.users, email text);
-- defect
ALTER TABLE public.profiles ADD CONSTRAINT profiles_email_fkey FOREIGN KEY (email) REFERENCES auth.users (email);
-- repair
ALTER TABLE public.profiles DROP CONSTRAINT profiles_email_fkey;
