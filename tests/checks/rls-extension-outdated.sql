-- subject: citext
-- setup
CREATE EXTENSION citext;
-- defect
DROP EXTENSION citext;
CREATE EXTENSION citext VERSION '1.4';
-- repair
ALTER EXTENSION citext UPDATE;
