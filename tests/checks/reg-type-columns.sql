-- subject: public.jobs.handler
-- clean: not-applicable
-- setup
CREATE TABLE public.jobs (id int PRIMARY KEY);
-- defect
ALTER TABLE public.jobs ADD COLUMN handler regproc;
ALTER TABLE public.jobs ADD COLUMN relation regclass;
-- repair
ALTER TABLE public.jobs DROP COLUMN handler, DROP COLUMN relation;
