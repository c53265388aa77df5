-- code: rls-leakproof
-- title: No function of the application is marked LEAKPROOF
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: a LEAKPROOF function is given rows before the policies have filtered them
-- fix: ALTER FUNCTION ... NOT LEAKPROOF
SELECT pg_catalog.format('%I.%I(%s)', n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)) AS subject,
       NOT f.proleakproof AS ok,
       'not LEAKPROOF' AS expected,
       CASE WHEN f.proleakproof THEN 'LEAKPROOF' ELSE 'not LEAKPROOF' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_proc f
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = f.prolang
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND l.lanname NOT IN ('internal')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')
ORDER BY 1
