-- code: rls-function-search-path
-- title: Every function of the application has a fixed search_path
-- step: row-security
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: without one, the names in a function mean what the caller's search_path makes of them, in policies and triggers too
-- fix: ALTER FUNCTION ... SET search_path = ''
--
-- SECURITY DEFINER functions are asked by rls-definer-search-path. A function with an SQL-standard body was resolved when it was made.
SELECT pg_catalog.format('%I.%I(%s)', n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)) AS subject,
       EXISTS (SELECT FROM pg_catalog.unnest(f.proconfig) AS x WHERE x LIKE 'search_path=%') AS ok,
       'search_path fixed' AS expected,
       COALESCE((SELECT x FROM pg_catalog.unnest(f.proconfig) AS x WHERE x LIKE 'search_path=%'), 'the caller''s search_path') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_proc f
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = f.prolang
WHERE NOT f.prosecdef AND f.prosqlbody IS NULL AND f.prokind IN ('f', 'p') AND l.lanname NOT IN ('c', 'internal')
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND pg_catalog.pg_get_userbyid(n.nspowner) !~ '^supabase.*admin$'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')
ORDER BY 1
