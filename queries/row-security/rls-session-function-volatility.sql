-- code: rls-session-function-volatility
-- title: Functions that read the session's identity are not IMMUTABLE
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: an IMMUTABLE function may be folded into a cached plan, so that one session's tenant is used for another's
-- fix: ALTER FUNCTION ... STABLE
SELECT pg_catalog.format('%I.%I(%s)', n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)) AS subject,
       f.provolatile <> 'i' AS ok,
       'STABLE or VOLATILE' AS expected,
       CASE f.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_proc f
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = f.prolang
WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND l.lanname NOT IN ('c', 'internal')
  AND f.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
  AND COALESCE(f.prosrc, '') || COALESCE(pg_catalog.pg_get_function_sqlbody(f.oid), '') ~* 'current_setting\s*\(|current_user|session_user'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')
ORDER BY 1
