-- What reaches rows by another way than their table: views, materialized views, partitions addressed directly, and functions of the definer. $1: the application's roles. One row each, with the tables behind it; of a partition what its rows must be,
-- of a function the names and types of what it takes and how many of them it needs.
WITH RECURSIVE edge AS (
    SELECT DISTINCT r.ev_class AS upper, d.refobjid AS lower
    FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
), below AS (
    SELECT upper AS top, lower FROM edge
    UNION
    SELECT b.top, e.lower FROM below b JOIN edge e ON e.upper = b.lower
), way AS (
    SELECT c.oid, n.nspname, c.relname,
           CASE WHEN c.relispartition THEN 'p' ELSE c.relkind::text END AS kind,
           COALESCE('security_invoker=true' = ANY (c.reloptions) OR 'security_invoker=on' = ANY (c.reloptions), false) AS invoker
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE (c.relkind IN ('v', 'm') OR c.relispartition AND c.relkind IN ('r', 'p'))
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT w.kind, w.invoker, pg_catalog.format('%I.%I', w.nspname, w.relname) AS name, ''::text AS body,
       ARRAY(SELECT c.oid::bigint FROM pg_catalog.pg_class c
             WHERE c.relkind IN ('r', 'p') AND (c.oid IN (SELECT b.lower FROM below b WHERE b.top = w.oid) OR w.kind = 'p' AND c.oid = pg_catalog.pg_partition_root(w.oid))) AS bases,
       ARRAY(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind = 'm' AND (c.oid = w.oid OR c.oid IN (SELECT b.lower FROM below b WHERE b.top = w.oid)) ORDER BY c.oid) AS snapshots,
       ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_namespace n ON n.nspname = w.nspname
             WHERE r.rolname = ANY ($1) AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
               AND pg_catalog.has_table_privilege(r.oid, w.oid, 'SELECT')) AS roles,
       CASE WHEN w.kind = 'p' THEN COALESCE(pg_catalog.pg_get_partition_constraintdef(w.oid), '') ELSE '' END AS bound,
       '{}'::text[] AS names, '{}'::text[] AS types, 0 AS needed,
       ARRAY(SELECT s.srvname::text FROM pg_catalog.pg_foreign_table f JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
             WHERE f.ftrelid IN (SELECT b.lower FROM below b WHERE b.top = w.oid)) AS servers
FROM way w
UNION ALL
SELECT 'function', f.provolatile <> 'v', pg_catalog.format('%I.%I', n.nspname, f.proname), f.prosrc || ' ' || COALESCE(pg_catalog.pg_get_function_sqlbody(f.oid), ''),
       '{}', '{}',
       ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r
             WHERE r.rolname = ANY ($1) AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') AND pg_catalog.has_function_privilege(r.oid, f.oid, 'EXECUTE')),
       '',
       ARRAY(SELECT COALESCE(f.proargnames[a.n], '') FROM pg_catalog.unnest(COALESCE(f.proallargtypes, f.proargtypes::oid[])) WITH ORDINALITY a(t, n)
             WHERE f.proargmodes IS NULL OR f.proargmodes[a.n] IN ('i', 'b') ORDER BY a.n),
       ARRAY(SELECT pg_catalog.format_type(a.t, NULL) FROM pg_catalog.unnest(f.proargtypes::oid[]) WITH ORDINALITY a(t, n) ORDER BY a.n),
       f.pronargs - f.pronargdefaults, '{}'
FROM pg_catalog.pg_proc f
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = f.prolang
WHERE f.prosecdef AND f.prokind = 'f' AND f.provariadic = 0 AND f.pronargs <= 8 AND l.lanname IN ('sql', 'plpgsql')
  AND f.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')
ORDER BY 1, 3
