-- code: rls-auth-users-exposed
-- title: No view shows the accounts of auth.users to the application
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: a view or materialized view over auth.users hands out e-mail addresses and tokens of every account
-- fix: REVOKE ALL ON the view FROM the role; keep what is shown in a profile table with policies
--
-- A view over a view counts too. One with security_invoker shows no more than the role may read of auth.users by itself.
WITH RECURSIVE account AS (
    SELECT pg_catalog.to_regclass('auth.users')::pg_catalog.oid AS oid
), uses(view, relation) AS (
    SELECT DISTINCT r.ev_class, d.refobjid
    FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
), over(view) AS (
    SELECT uses.view FROM uses JOIN account ON uses.relation = account.oid
    UNION
    SELECT uses.view FROM over JOIN uses ON uses.relation = over.view
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       pg_catalog.count(r.oid) = 0 AS ok,
       'not readable by the application' AS expected,
       CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END
         || COALESCE(', readable by ' || pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname), ', not readable') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM over
JOIN pg_catalog.pg_class c ON c.oid = over.view AND c.relkind IN ('v', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN account
JOIN pg_catalog.pg_class a ON a.oid = account.oid
LEFT JOIN pg_catalog.pg_roles r
       ON (r.rolname IN ('anon', 'authenticated')
           OR r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles')))
      AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
      AND pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT')
      AND NOT (c.relkind = 'v'
               AND EXISTS (SELECT FROM pg_catalog.unnest(c.reloptions) AS o WHERE o ~ '^security_invoker=(true|on|1|yes)$')
               AND (a.relrowsecurity OR NOT pg_catalog.has_any_column_privilege(r.oid, a.oid, 'SELECT')))
GROUP BY n.nspname, c.relname, c.relkind
ORDER BY 1
