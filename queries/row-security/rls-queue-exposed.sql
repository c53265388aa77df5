-- code: rls-queue-exposed
-- title: No message queue is open to the API
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: whoever reads a pgmq queue without row security reads the jobs of every tenant, and may take them
-- fix: ALTER TABLE pgmq.... ENABLE ROW LEVEL SECURITY and add policies, or REVOKE ALL ON it FROM anon, authenticated
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       c.relrowsecurity OR pg_catalog.count(r.oid) = 0 AS ok,
       'row security, or no grant' AS expected,
       CASE WHEN c.relrowsecurity THEN 'row security enabled'
            ELSE 'no row security' || COALESCE(', granted to ' || pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname), ', not granted') END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'pgmq'
LEFT JOIN pg_catalog.pg_roles r
       ON (r.rolname IN ('anon', 'authenticated')
           OR r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles')))
      AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
      AND (pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT,INSERT,UPDATE') OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE'))
WHERE c.relkind IN ('r', 'p') AND c.relname ~ '^[qa]_'
GROUP BY n.nspname, c.relname, c.relrowsecurity
ORDER BY 1
