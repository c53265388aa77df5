-- Foreign tables, and views and materialized views that stand on foreign tables alone. $1: the application's roles. One row each: what it
-- is, its columns, the roles that may read it and those that may write to it, and the servers behind it with their wrappers.
WITH RECURSIVE edge AS (
    SELECT DISTINCT r.ev_class AS upper, d.refobjid AS lower
    FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
), below AS (
    SELECT upper AS top, lower FROM edge
    UNION
    SELECT b.top, e.lower FROM below b JOIN edge e ON e.upper = b.lower
), behind AS (
    SELECT f.ftrelid AS top, f.ftserver AS server FROM pg_catalog.pg_foreign_table f
    UNION
    SELECT b.top, f.ftserver FROM below b JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = b.lower
)
SELECT c.relkind::text AS kind,
       pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r
             WHERE r.rolname = ANY ($1) AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
               AND pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT') ORDER BY pg_catalog.array_position($1, r.rolname::text)) AS readers,
       ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r
             WHERE r.rolname = ANY ($1) AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
               AND (pg_catalog.has_any_column_privilege(r.oid, c.oid, 'INSERT') OR pg_catalog.has_any_column_privilege(r.oid, c.oid, 'UPDATE')
                    OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE'))) AS writers,
       ARRAY(SELECT s.srvname::text FROM behind b JOIN pg_catalog.pg_foreign_server s ON s.oid = b.server WHERE b.top = c.oid ORDER BY 1) AS servers,
       ARRAY(SELECT DISTINCT w.fdwname::text FROM behind b JOIN pg_catalog.pg_foreign_server s ON s.oid = b.server
             JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE b.top = c.oid ORDER BY 1) AS wrappers
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('f', 'v', 'm') AND EXISTS (SELECT FROM behind b WHERE b.top = c.oid)
  AND NOT EXISTS (SELECT FROM below b JOIN pg_catalog.pg_class t ON t.oid = b.lower WHERE b.top = c.oid AND t.relkind IN ('r', 'p'))
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2
