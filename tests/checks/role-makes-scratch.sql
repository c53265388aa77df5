-- subject: check_scratch_maker
-- parameters: {"role": "check_scratch_maker"}
-- setup
CREATE ROLE check_scratch_maker CREATEDB;
-- defect
ALTER ROLE check_scratch_maker NOCREATEDB;
-- repair
ALTER ROLE check_scratch_maker CREATEDB;
