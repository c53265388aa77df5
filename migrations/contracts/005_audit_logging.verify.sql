-- The four triggers are there, enabled, and their function is safe to run as its owner.
DO $$
DECLARE
  missing text;
BEGIN
  SELECT pg_catalog.string_agg(t, ', ') INTO missing
  FROM pg_catalog.unnest(ARRAY['users', 'projects', 'documents', 'alerts']) AS t
  WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_trigger g
    WHERE g.tgrelid = pg_catalog.to_regclass('public.' || t) AND g.tgname = t || '_audit' AND g.tgenabled IN ('O', 'A'));
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'changes are not recorded for: %', missing;
  END IF;
  IF NOT EXISTS (
    SELECT FROM pg_catalog.pg_proc f
    WHERE f.oid = pg_catalog.to_regprocedure('public.record_change()') AND f.prosecdef
      AND f.proconfig @> ARRAY['search_path=""']) THEN
    RAISE EXCEPTION 'public.record_change() is missing, does not run as its owner, or has no pinned search_path';
  END IF;
END
$$;
