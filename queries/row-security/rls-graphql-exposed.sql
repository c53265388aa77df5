-- code: rls-graphql-exposed
-- title: GraphQL shows visitors no table they need not know of
-- step: row-security
-- severity: info
-- min-subjects: 1
-- when-none: not-applicable
-- why: with pg_graphql, whatever anon or authenticated may SELECT is described by introspection, names and relations, row security or not
-- fix: REVOKE SELECT ON ... FROM anon where visitors have no business, or DROP EXTENSION pg_graphql
--
-- Examined only where pg_graphql is installed. What signed-in users see is said beside it and is no finding.
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       NOT pg_catalog.bool_or(r.rolname = 'anon') AS ok,
       'not described to visitors' AS expected,
       'described to ' || pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname) AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles r
  ON r.rolname IN ('anon', 'authenticated')
 AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
 AND pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT')
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_get_userbyid(n.nspowner) !~ '^supabase.*admin$'
  AND EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_graphql')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
GROUP BY n.nspname, c.relname
ORDER BY 1
