-- code: schema-version
-- title: The schema's version is known
-- step: environment
-- kind: probe
-- severity: high
-- min-subjects: 1
-- why: without it nobody can say which migrations are pending
-- fix: set [migrations] baseline to the version the database is at

-- The history table of the migrations' layout, else [migrations] baseline. A database without any table of its own needs neither.
