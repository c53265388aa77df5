-- subject: btree_gin
-- parameters: {"extensions": ["btree_gin", "plpgsql"]}
-- setup
CREATE EXTENSION btree_gin;
-- defect
DROP EXTENSION btree_gin;
-- repair
CREATE EXTENSION btree_gin;
