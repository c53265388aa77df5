-- Every object of the database as (kind, object, definition), for PostgreSQL 15 to 18 and search_path = ''.
-- $1: schemas to leave out. Definitions are PostgreSQL's own (pg_get_...def), so that they read as SQL; column order does not show;
-- nothing depends on an oid, on the order of creation, or on whether an ACL was ever written out.
-- Left out: what an extension owns (the extension stands for it), system schemas, temporary objects.
-- Objects that belong to no schema are a user's from oid 16384 on (FirstNormalObjectId, access/transam.h).
WITH
schemas AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'ledger_anchor') AND NOT n.nspname::text = ANY ($1)
),
owned_by_extension AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
),
relations AS (
    SELECT c.*, s.nspname, pg_catalog.format('%I.%I', s.nspname, c.relname) AS name
    FROM pg_catalog.pg_class c JOIN schemas s ON s.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid)
),
tables AS (
    SELECT * FROM relations WHERE relkind IN ('r', 'p', 'f')
),
columns AS (
    SELECT t.oid AS relid, t.relkind, t.relname, t.relispartition, pg_catalog.format('%s.%I', t.name, a.attname) AS name, a.*,
           pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_text,
           -- pg_attver is the server's own bookkeeping since the minor releases of November 2026: another number in every copy.
           (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o) FROM pg_catalog.unnest(a.attoptions) o WHERE o !~ '^pg_attver=') AS set_options
    FROM relations t
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
),
functions AS (
    SELECT p.*, s.nspname,
           pg_catalog.format('%I.%I(%s)', s.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) AS name
    FROM pg_catalog.pg_proc p JOIN schemas s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid)
),
-- Types that somebody made: neither a table's row type nor the array or multirange that comes with another type.
types AS (
    SELECT t.*, pg_catalog.format('%I.%I', s.nspname, t.typname) AS name
    FROM pg_catalog.pg_type t
    JOIN schemas s ON s.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c') OR (t.typtype = 'p' AND NOT t.typisdefined)
           OR (t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_catalog.pg_type el WHERE el.typarray = t.oid)))
      AND NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND e.objid = t.oid)
),
operators AS (
    SELECT o.*, pg_catalog.format('%I.%s (%s, %s)', s.nspname, o.oprname, CASE o.oprleft WHEN 0 THEN 'none' ELSE pg_catalog.format_type(o.oprleft, NULL) END,
                                  pg_catalog.format_type(o.oprright, NULL)) AS name
    FROM pg_catalog.pg_operator o JOIN schemas s ON s.oid = o.oprnamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND e.objid = o.oid)
),
families AS (
    SELECT f.*, pg_catalog.format('%I.%I using %I', s.nspname, f.opfname, m.amname) AS name
    FROM pg_catalog.pg_opfamily f JOIN schemas s ON s.oid = f.opfnamespace JOIN pg_catalog.pg_am m ON m.oid = f.opfmethod
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND e.objid = f.oid)
),
classes AS (
    SELECT c.*, pg_catalog.format('%I.%I using %I', s.nspname, c.opcname, m.amname) AS name
    FROM pg_catalog.pg_opclass c JOIN schemas s ON s.oid = c.opcnamespace JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass AND e.objid = c.oid)
),
collations AS (
    SELECT c.*, pg_catalog.to_jsonb(c) AS facts, pg_catalog.format('%I.%I', s.nspname, c.collname) AS name
    FROM pg_catalog.pg_collation c JOIN schemas s ON s.oid = c.collnamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_collation'::pg_catalog.regclass AND e.objid = c.oid)
),
conversions AS (
    SELECT c.*, pg_catalog.format('%I.%I', s.nspname, c.conname) AS name
    FROM pg_catalog.pg_conversion c JOIN schemas s ON s.oid = c.connamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_conversion'::pg_catalog.regclass AND e.objid = c.oid)
),
search_configurations AS (
    SELECT c.*, pg_catalog.format('%I.%I', s.nspname, c.cfgname) AS name
    FROM pg_catalog.pg_ts_config c JOIN schemas s ON s.oid = c.cfgnamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_ts_config'::pg_catalog.regclass AND e.objid = c.oid)
),
search_dictionaries AS (
    SELECT d.*, pg_catalog.format('%I.%I', s.nspname, d.dictname) AS name
    FROM pg_catalog.pg_ts_dict d JOIN schemas s ON s.oid = d.dictnamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_ts_dict'::pg_catalog.regclass AND e.objid = d.oid)
),
statistics AS (
    SELECT x.*, pg_catalog.to_jsonb(x) AS facts, pg_catalog.format('%I.%I', s.nspname, x.stxname) AS name
    FROM pg_catalog.pg_statistic_ext x JOIN schemas s ON s.oid = x.stxnamespace
),
languages AS (
    SELECT l.* FROM pg_catalog.pg_language l
    WHERE l.oid >= 16384 AND NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_language'::pg_catalog.regclass AND e.objid = l.oid)
),
wrappers AS (
    SELECT w.* FROM pg_catalog.pg_foreign_data_wrapper w
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass AND e.objid = w.oid)
),
servers AS (
    SELECT f.* FROM pg_catalog.pg_foreign_server f
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_foreign_server'::pg_catalog.regclass AND e.objid = f.oid)
),
-- Event triggers are a superuser's to make, publications and default privileges their role's: who may not act as that role (on a hosted
-- platform, whose own they are) can neither change nor restore them, and does not compare them.
event_triggers AS (
    SELECT t.* FROM pg_catalog.pg_event_trigger t
    WHERE (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER)
      AND NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND e.objid = t.oid)
),
publications AS (
    SELECT p.* FROM pg_catalog.pg_publication p WHERE pg_catalog.pg_has_role(p.pubowner, 'MEMBER')
),
-- Options of foreign things, what looks like a secret hidden. Of user mappings only names are kept.
options (class, oid, text) AS (
    SELECT x.class, x.oid,
           (SELECT pg_catalog.string_agg(pg_catalog.format('%I %L', o.option_name,
                                                           CASE WHEN o.option_name ~* 'pass|secret|key|token|cred|private' THEN '...' ELSE o.option_value END),
                                         ', ' ORDER BY o.option_name)
            FROM pg_catalog.pg_options_to_table(x.options) o)
    FROM (SELECT 'wrapper' AS class, w.oid, w.fdwoptions AS options FROM pg_catalog.pg_foreign_data_wrapper w
          UNION ALL SELECT 'server', f.oid, f.srvoptions FROM pg_catalog.pg_foreign_server f
          UNION ALL SELECT 'table', t.ftrelid, t.ftoptions FROM pg_catalog.pg_foreign_table t) x
),
-- One row per object and privilege: class letter as in pg_catalog.acldefault, the ACL as it works.
acls AS (
    SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS class, name, relowner AS owner,
           CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS letter, relacl AS acl
    FROM relations WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL
    SELECT 'schema', pg_catalog.format('%I', nspname), nspowner, 'n', nspacl FROM schemas
    UNION ALL
    SELECT 'function', name, proowner, 'f', proacl FROM functions
    UNION ALL
    SELECT 'type', name, typowner, 'T', typacl FROM types
    UNION ALL
    SELECT 'language', pg_catalog.quote_ident(lanname), lanowner, 'l', lanacl FROM languages
    UNION ALL
    SELECT 'foreign data wrapper', pg_catalog.quote_ident(fdwname), fdwowner, 'F', fdwacl FROM wrappers
    UNION ALL
    SELECT 'foreign server', pg_catalog.quote_ident(srvname), srvowner, 'S', srvacl FROM servers
),
grants AS (
    SELECT a.class, a.name, a.owner, a.letter, x.grantee, x.is_grantable, x.privilege_type
    FROM acls a, LATERAL pg_catalog.aclexplode(COALESCE(a.acl, pg_catalog.acldefault(a.letter, a.owner))) x
    UNION ALL
    SELECT 'column', c.name, t.relowner, 'c', x.grantee, x.is_grantable, x.privilege_type
    FROM columns c JOIN relations t ON t.oid = c.relid, LATERAL pg_catalog.aclexplode(c.attacl) x
),
grant_lines AS (
    SELECT g.class, g.name,
           CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE COALESCE(pg_catalog.quote_ident(r.rolname), g.grantee::text) END AS grantee, g.grantee = g.owner AS is_owner,
           -- All of what this server's version knows is ALL: 17 added MAINTAIN.
           CASE WHEN pg_catalog.count(*) = (SELECT pg_catalog.count(*) FROM pg_catalog.aclexplode(pg_catalog.acldefault(g.letter, g.owner)) d WHERE d.grantee = g.owner)
                     AND g.class <> 'column'
                THEN 'ALL' || CASE WHEN pg_catalog.bool_and(g.is_grantable) AND g.grantee <> g.owner THEN ' WITH GRANT OPTION' ELSE '' END
                ELSE pg_catalog.string_agg(g.privilege_type || CASE WHEN g.is_grantable AND g.grantee <> g.owner THEN '*' ELSE '' END, ', ' ORDER BY g.privilege_type)
           END AS privileges
    FROM grants g LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
    GROUP BY g.class, g.name, g.owner, g.letter, g.grantee, r.rolname
),
