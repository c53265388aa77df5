-- code: rls-definer-search-path
-- title: Every SECURITY DEFINER function has a fixed search_path
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: whoever may create objects in a schema of the caller's path decides what such a function runs with its owner's rights
-- fix: ALTER FUNCTION ... SET search_path = ''
SELECT pg_catalog.format('%I.%I(%s)', n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)) AS subject,
       EXISTS (SELECT FROM pg_catalog.unnest(f.proconfig) AS x WHERE x LIKE 'search_path=%') AS ok,
       'search_path fixed' AS expected,
       COALESCE((SELECT x FROM pg_catalog.unnest(f.proconfig) AS x WHERE x LIKE 'search_path=%'), 'the caller''s search_path')
         || ', runs as ' || pg_catalog.pg_get_userbyid(f.proowner) AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_proc f
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
WHERE f.prosecdef AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')
ORDER BY 1
