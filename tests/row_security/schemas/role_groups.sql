-- Rows name the role whose members may see them; an administrator is let in by name.
-- roles: survey_north, survey_south, survey_staffed, survey_admin
-- members: survey_north, survey_south of survey_staffed
-- above: survey_admin
-- leaks: public.sheets
CREATE TABLE public.crews (crew name PRIMARY KEY);
INSERT INTO public.crews VALUES ('survey_north'), ('survey_south');
CREATE TABLE public.plots (id serial PRIMARY KEY, title text NOT NULL, crew name NOT NULL REFERENCES public.crews);
CREATE TABLE public.sheets (id serial PRIMARY KEY, title text NOT NULL, crew name NOT NULL REFERENCES public.crews);
ALTER TABLE public.plots ENABLE ROW LEVEL SECURITY; ALTER TABLE public.sheets ENABLE ROW LEVEL SECURITY;
CREATE POLICY crews ON public.plots USING (pg_has_role(crew, 'MEMBER') OR pg_has_role(current_user, 'survey_admin', 'MEMBER'));
-- Members of any crew see the sheets of all.
CREATE POLICY crews ON public.sheets USING (pg_has_role(current_user, 'survey_staffed', 'MEMBER')) WITH CHECK (pg_has_role(crew, 'MEMBER'));
GRANT SELECT, INSERT, UPDATE, DELETE ON public.plots, public.sheets TO survey_staffed, survey_admin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO survey_staffed, survey_admin;
