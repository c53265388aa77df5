-- One role for whoever comes; flags as ranks; seats and shares that people give themselves; an application's name beside the tenant's.
-- roles: seat_visitor
-- leaks: public.addresses; public.firms; public.seats; public.lendings; public.notices
CREATE TABLE public.people (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), nick text NOT NULL);
CREATE TABLE public.firms (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text NOT NULL);
CREATE TABLE public.seats (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), firm_id uuid NOT NULL REFERENCES public.firms, person_id uuid NOT NULL REFERENCES public.people,
  is_owner boolean NOT NULL DEFAULT false, UNIQUE (firm_id, person_id));
CREATE TABLE public.addresses (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), person_id uuid NOT NULL REFERENCES public.people, email text NOT NULL, is_verified boolean NOT NULL DEFAULT false);
CREATE TABLE public.plans (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), firm_id uuid NOT NULL REFERENCES public.firms, title text NOT NULL);
CREATE TABLE public.books (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), person_id uuid NOT NULL REFERENCES public.people, title text NOT NULL);
CREATE TABLE public.lendings (book_id uuid NOT NULL REFERENCES public.books, reader_id uuid NOT NULL REFERENCES public.people, expires_at timestamptz NOT NULL, PRIMARY KEY (book_id, reader_id));
CREATE TABLE public.notices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, app_name text NOT NULL, firm_id uuid NOT NULL REFERENCES public.firms, body text NOT NULL);
CREATE FUNCTION public.me() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('seat.person', true), '')::uuid $$;
CREATE FUNCTION public.my_firms() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT firm_id FROM seats WHERE person_id = me() $$;
ALTER TABLE public.people ENABLE ROW LEVEL SECURITY; ALTER TABLE public.firms ENABLE ROW LEVEL SECURITY; ALTER TABLE public.seats ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.addresses ENABLE ROW LEVEL SECURITY; ALTER TABLE public.plans ENABLE ROW LEVEL SECURITY; ALTER TABLE public.books ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.lendings ENABLE ROW LEVEL SECURITY; ALTER TABLE public.notices ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.people USING (id = me());
CREATE POLICY mine ON public.firms FOR SELECT USING (id IN (SELECT my_firms()));
-- The firm is forgotten: an owner of any firm changes every one.
CREATE POLICY led ON public.firms FOR UPDATE USING (EXISTS (SELECT FROM public.seats s WHERE s.person_id = me() AND s.is_owner));
CREATE POLICY mine ON public.seats FOR SELECT USING (firm_id IN (SELECT my_firms()));
-- Whoever knows a firm's key sits down there.
CREATE POLICY taken ON public.seats FOR INSERT WITH CHECK (person_id = me());
CREATE POLICY own ON public.addresses USING (person_id = me());
-- One role serves all: this shows verified addresses to everybody.
CREATE POLICY verified ON public.addresses FOR SELECT USING (is_verified);
CREATE POLICY mine ON public.plans USING (firm_id IN (SELECT my_firms()));
CREATE POLICY own ON public.books USING (person_id = me());
CREATE POLICY lent ON public.books FOR SELECT USING (id IN (SELECT l.book_id FROM public.lendings l WHERE l.reader_id = me() AND l.expires_at > now()));
-- Readers lend themselves what they like.
CREATE POLICY own ON public.lendings USING (reader_id = me());
CREATE POLICY mine ON public.notices USING (app_name = current_setting('seat.app_name', true) AND firm_id IN (SELECT my_firms()));
-- The firm is forgotten, the application is not.
CREATE POLICY same_app ON public.notices FOR SELECT USING (app_name = current_setting('seat.app_name', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO seat_visitor;
