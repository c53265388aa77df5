-- subject: citext
-- setup
CREATE SCHEMA extensions;
CREATE EXTENSION citext SCHEMA extensions;
-- defect
ALTER EXTENSION citext SET SCHEMA public;
-- repair
ALTER EXTENSION citext SET SCHEMA extensions;
