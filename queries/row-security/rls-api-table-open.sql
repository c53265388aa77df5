-- code: rls-api-table-open
-- title: No table that the API serves is without row security
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: whoever holds the public key reads or writes every row of such a table, whatever the application shows
-- fix: ALTER TABLE ... ENABLE ROW LEVEL SECURITY and add policies, or REVOKE ALL ON ... FROM anon, authenticated
--
-- The API's roles are anon and authenticated; its schemas are those of the role authenticator's pgrst.db_schemas where they are set, else
-- every schema its roles may use that the platform does not own. Tenant tables are asked by rls-enabled.
WITH served AS (
    SELECT pg_catalog.btrim(schema) AS name
    FROM pg_catalog.pg_db_role_setting s
    JOIN pg_catalog.pg_roles r ON r.oid = s.setrole AND r.rolname = 'authenticator'
    CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS line
    CROSS JOIN LATERAL pg_catalog.regexp_split_to_table(pg_catalog.regexp_replace(line, '^pgrst\.db_schemas=', ''), ',') AS schema
    WHERE line LIKE 'pgrst.db_schemas=%'
      AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       c.relrowsecurity AS ok,
       'row security enabled' AS expected,
       CASE WHEN c.relrowsecurity THEN 'enabled, ' ELSE 'no row security, ' END
         || 'reached by ' || pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname) AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles r
  ON r.rolname IN ('anon', 'authenticated')
 AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
 AND (pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT,INSERT,UPDATE') OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE'))
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_get_userbyid(n.nspowner) !~ '^supabase.*admin$'
  AND (NOT EXISTS (SELECT FROM served) OR n.nspname IN (SELECT name FROM served))
  AND c.oid NOT IN (SELECT COALESCE(pg_catalog.to_regclass(t.name)::pg_catalog.oid, 0)
                    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
GROUP BY n.nspname, c.relname, c.relrowsecurity
ORDER BY 1
