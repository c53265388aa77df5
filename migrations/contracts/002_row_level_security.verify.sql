-- Every table of the application is closed to all but its tenant: enabled, forced, one policy for each command.
DO $$
DECLARE
  open_tables text;
BEGIN
  SELECT pg_catalog.string_agg(c.relname, ', ' ORDER BY c.relname) INTO open_tables
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND (
      SELECT pg_catalog.count(DISTINCT p.polcmd) FROM pg_catalog.pg_policy p
      WHERE p.polrelid = c.oid AND p.polcmd IN ('r', 'a', 'w', 'd')) = 4);
  IF open_tables IS NOT NULL THEN
    RAISE EXCEPTION 'row level security is not complete on: %', open_tables;
  END IF;
  IF (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relrowsecurity) < 14 THEN
    RAISE EXCEPTION 'fewer than fourteen tables have row level security';
  END IF;
END
$$;
