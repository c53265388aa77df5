-- code: rls-partition-covered
-- title: Partitions and children of tenant tables cannot be read around their parent's policies
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: the parent's policies do not apply to a partition that is addressed directly
-- fix: REVOKE the partition's grants, or ENABLE and FORCE row security on it with the same policies
WITH RECURSIVE child AS (
    SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits i
    WHERE i.inhparent IN (SELECT pg_catalog.to_regclass(t.name) FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name))
    UNION
    SELECT i.inhrelid FROM child JOIN pg_catalog.pg_inherits i ON i.inhparent = child.oid
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
       c.relrowsecurity OR pg_catalog.count(r.oid) = 0 AS ok,
       'row security, or no grant' AS expected,
       CASE WHEN c.relrowsecurity THEN 'row security enabled'
            ELSE 'no row security' || COALESCE(', granted to ' || pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname), ', not granted') END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM child
JOIN pg_catalog.pg_class c ON c.oid = child.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_roles r
       ON r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
      AND (pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT,INSERT,UPDATE') OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE'))
GROUP BY n.nspname, c.relname, c.relrowsecurity
ORDER BY 1
