-- code: rls-column-grants
-- title: No grant on a whole table defeats grants on its columns
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: privileges add up: who holds SELECT on the table reads every column, whatever was granted column by column
-- fix: REVOKE the privilege ON the table FROM the role (and PUBLIC); the column grants stay
WITH RECURSIVE reach(role, oid) AS (
    SELECT r.rolname, r.oid FROM pg_catalog.pg_roles r
    WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
    UNION
    SELECT reach.role, m.roleid FROM reach JOIN pg_catalog.pg_auth_members m ON m.member = reach.oid
), by_column AS (
    SELECT DISTINCT c.oid, n.nspname, c.relname, reach.role, x.privilege_type
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
    CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS x
    JOIN reach ON reach.oid = x.grantee
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT pg_catalog.format('%I.%I', b.nspname, b.relname) AS subject,
       NOT pg_catalog.bool_or(pg_catalog.has_table_privilege(r.oid, b.oid, b.privilege_type)) AS ok,
       'granted by column alone' AS expected,
       COALESCE('also granted on the table: ' || pg_catalog.string_agg(b.privilege_type || ' to ' || b.role, ', ' ORDER BY b.role, b.privilege_type)
         FILTER (WHERE pg_catalog.has_table_privilege(r.oid, b.oid, b.privilege_type)), 'granted by column alone') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM by_column b
JOIN pg_catalog.pg_roles r ON r.rolname = b.role
GROUP BY b.oid, b.nspname, b.relname
ORDER BY 1
