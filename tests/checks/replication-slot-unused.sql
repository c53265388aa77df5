-- subject: check_nobody_reads
-- clean: not-applicable
-- setup
SELECT 1;
-- defect
SELECT pg_catalog.pg_create_physical_replication_slot('check_nobody_reads');
-- repair
SELECT pg_catalog.pg_drop_replication_slot('check_nobody_reads');
