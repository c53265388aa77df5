-- code: rls-definer-reachable
-- title: SECURITY DEFINER functions that bypass row security are not callable by the application
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: such a function reads every tenant; whether it filters is in its code alone
-- fix: REVOKE EXECUTE ... FROM PUBLIC and the role, or let the function check its caller and accept the finding
SELECT pg_catalog.format('%I.%I(%s)', n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid)) AS subject,
       pg_catalog.count(r.oid) = 0 AS ok,
       'not callable by the application' AS expected,
       'runs as ' || owner.rolname || COALESCE(', callable by ' || pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname), ', not callable') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_proc f
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
JOIN pg_catalog.pg_roles owner ON owner.oid = f.proowner
LEFT JOIN pg_catalog.pg_roles r
       ON r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
      AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
      AND pg_catalog.has_function_privilege(r.oid, f.oid, 'EXECUTE')
WHERE f.prosecdef
  AND (owner.rolsuper OR owner.rolbypassrls
       -- The owner of a table without FORCE goes round its policies too.
       OR EXISTS (SELECT FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
                  JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
                  WHERE c.relowner = owner.oid AND NOT c.relforcerowsecurity))
  AND f.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')
GROUP BY n.nspname, f.proname, f.oid, owner.rolname
ORDER BY 1
