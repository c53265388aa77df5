-- Every object of the database as (kind, object, definition), for PostgreSQL 15 to 18 and search_path = ''.
-- $1: schemas to leave out. Definitions are PostgreSQL's own (pg_get_…def), so that they read as SQL; column order does not show;
-- nothing depends on an oid, on the order of creation, or on whether an ACL was ever written out.
-- Left out: what an extension owns (the extension stands for it), system schemas, temporary objects.
WITH
schemas AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT n.nspname::text = ANY ($1)
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
    SELECT t.oid AS relid, t.relkind, pg_catalog.format('%s.%I', t.name, a.attname) AS name, a.*,
           pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_text
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
types AS (
    SELECT t.*, pg_catalog.format('%I.%I', s.nspname, t.typname) AS name
    FROM pg_catalog.pg_type t
    JOIN schemas s ON s.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
      AND NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND e.objid = t.oid)
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
objects (kind, object, definition) AS (
    SELECT 'schema', pg_catalog.format('%I', nspname), 'schema' FROM schemas
    UNION ALL
    SELECT 'extension', pg_catalog.format('%I', extname), pg_catalog.format('version %s schema %I', extversion, n.nspname)
    FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace

    UNION ALL
    SELECT 'table', t.name,
        pg_catalog.concat_ws(' ',
            CASE t.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' ELSE 'foreign table' END,
            CASE t.relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' END,
            'partition by ' || pg_catalog.pg_get_partkeydef(t.oid),
            'of ' || (SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::text, ', ' ORDER BY i.inhseqno)
                      FROM pg_catalog.pg_inherits i WHERE i.inhrelid = t.oid),
            pg_catalog.pg_get_expr(t.relpartbound, t.oid),
            'type ' || NULLIF(t.reloftype, 0)::pg_catalog.regtype::text,
            'using ' || NULLIF(am.amname, 'heap'),
            'with (' || (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o) FROM pg_catalog.unnest(t.reloptions) o) || ')',
            'tablespace ' || pg_catalog.quote_ident(ts.spcname),
            CASE t.relreplident WHEN 'd' THEN NULL WHEN 'n' THEN 'replica identity nothing' WHEN 'f' THEN 'replica identity full' WHEN 'i' THEN 'replica identity index' END,
            'server ' || pg_catalog.quote_ident(fs.srvname))
    FROM tables t
    LEFT JOIN pg_catalog.pg_am am ON am.oid = t.relam
    LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = t.reltablespace
    LEFT JOIN pg_catalog.pg_foreign_table ft ON ft.ftrelid = t.oid
    LEFT JOIN pg_catalog.pg_foreign_server fs ON fs.oid = ft.ftserver

    UNION ALL
    SELECT 'column', c.name,
        pg_catalog.concat_ws(' ',
            pg_catalog.format_type(c.atttypid, c.atttypmod),
            'collate ' || CASE WHEN c.attcollation <> ty.typcollation THEN pg_catalog.format('%I.%I', cn.nspname, co.collname) END,
            CASE WHEN c.attnotnull THEN 'not null' END,
            CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.relid AND k.contype = 'n' AND k.conkey = ARRAY[c.attnum] AND NOT k.convalidated)
                 THEN 'not valid' END,
            CASE c.attidentity WHEN 'a' THEN 'generated always as identity' WHEN 'd' THEN 'generated by default as identity' END,
            CASE c.attgenerated WHEN 's' THEN 'generated stored ' || c.default_text WHEN 'v' THEN 'generated virtual ' || c.default_text
                 ELSE 'default ' || c.default_text END,
            CASE WHEN c.attstorage <> ty.typstorage THEN 'storage ' || c.attstorage::text END,
            'compression ' || NULLIF(c.attcompression::text, ''),
            'statistics ' || NULLIF(c.attstattarget, -1),
            -- pg_attver is the server's own bookkeeping since the minor releases of November 2026: another number in every copy.
            'with (' || (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o) FROM pg_catalog.unnest(c.attoptions) o WHERE o !~ '^pg_attver=') || ')')
    FROM columns c
    JOIN pg_catalog.pg_type ty ON ty.oid = c.atttypid
    LEFT JOIN pg_catalog.pg_collation co ON co.oid = c.attcollation
    LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
    WHERE c.relkind IN ('r', 'p', 'f')

    UNION ALL
    SELECT 'row security', t.name,
        CASE WHEN t.relrowsecurity THEN 'enabled' ELSE 'disabled' END || CASE WHEN t.relforcerowsecurity THEN ', forced' ELSE ', not forced' END
    FROM tables t WHERE t.relkind <> 'f'

    UNION ALL
    SELECT 'policy', pg_catalog.format('%s.%I', t.name, p.polname),
        pg_catalog.concat_ws(' ',
            CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
            'for ' || CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
            'to ' || (SELECT pg_catalog.string_agg(CASE o WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o)) END, ', '
                                        ORDER BY CASE o WHEN 0 THEN '' ELSE pg_catalog.pg_get_userbyid(o) END)
                      FROM pg_catalog.unnest(p.polroles) o),
            'using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
            'with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')')
    FROM pg_catalog.pg_policy p JOIN tables t ON t.oid = p.polrelid

    UNION ALL
    -- A key's per-partition copies come and go with the key and are named by the server.
    SELECT 'constraint', pg_catalog.format('%s.%I', t.name, k.conname), pg_catalog.pg_get_constraintdef(k.oid)
    FROM pg_catalog.pg_constraint k JOIN tables t ON t.oid = k.conrelid
    WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND NOT (k.contype = 'f' AND k.conparentid <> 0)

    UNION ALL
    -- Invalid indexes are a kind of their own: pg_dump leaves them out.
    SELECT CASE WHEN i.indisvalid OR c.relkind = 'I' THEN 'index' ELSE 'invalid index' END, c.name,
        pg_catalog.pg_get_indexdef(c.oid)
            || CASE WHEN i.indisclustered THEN ' clustered' ELSE '' END
            || CASE WHEN i.indisreplident THEN ' replica identity' ELSE '' END
            || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END
            || CASE WHEN i.indisready THEN '' ELSE ' not ready' END
    FROM relations c JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid

    UNION ALL
    SELECT CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, c.name,
        pg_catalog.concat_ws(' ',
            'with (' || (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o) FROM pg_catalog.unnest(c.reloptions) o) || ')',
            pg_catalog.pg_get_viewdef(c.oid),
            CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'with no data' END)
    FROM relations c WHERE c.relkind IN ('v', 'm')

    UNION ALL
    SELECT CASE f.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END, f.name,
        CASE WHEN f.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(f.oid)
             ELSE (SELECT pg_catalog.concat_ws(' ', 'sfunc', a.aggtransfn::pg_catalog.regproc::text, 'stype', a.aggtranstype::pg_catalog.regtype::text,
                                    'finalfunc', a.aggfinalfn::pg_catalog.regproc::text, 'combinefunc', a.aggcombinefn::pg_catalog.regproc::text,
                                    'initcond', COALESCE(a.agginitval, 'null'), 'kind', a.aggkind::text)
                   FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = f.oid) END
    FROM functions f

    UNION ALL
    SELECT 'trigger', pg_catalog.format('%s.%I', c.name, g.tgname),
        pg_catalog.pg_get_triggerdef(g.oid) || CASE g.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' disabled' WHEN 'R' THEN ' enabled on replica' ELSE ' enabled always' END
    FROM pg_catalog.pg_trigger g JOIN relations c ON c.oid = g.tgrelid WHERE NOT g.tgisinternal

    UNION ALL
    SELECT 'rule', pg_catalog.format('%s.%I', c.name, r.rulename),
        pg_catalog.pg_get_ruledef(r.oid) || CASE r.ev_enabled WHEN 'O' THEN '' WHEN 'D' THEN ' disabled' WHEN 'R' THEN ' enabled on replica' ELSE ' enabled always' END
    FROM pg_catalog.pg_rewrite r JOIN relations c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN'

    UNION ALL
    SELECT 'event trigger', pg_catalog.quote_ident(e.evtname),
        pg_catalog.concat_ws(' ', e.evtevent, e.evtfoid::pg_catalog.regprocedure::text, e.evttags::text,
            CASE e.evtenabled WHEN 'O' THEN NULL WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled on replica' ELSE 'enabled always' END)
    FROM pg_catalog.pg_event_trigger e
    WHERE NOT EXISTS (SELECT FROM owned_by_extension x WHERE x.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND x.objid = e.oid)

    UNION ALL
    SELECT 'sequence', c.name,
        pg_catalog.concat_ws(' ',
            pg_catalog.format('%s start %s increment %s min %s max %s cache %s', pg_catalog.format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache),
            CASE WHEN q.seqcycle THEN 'cycle' END,
            (SELECT pg_catalog.string_agg(CASE d.deptype WHEN 'i' THEN 'identity of ' ELSE 'owned by ' END || o.name, ', ' ORDER BY o.name)
             FROM pg_catalog.pg_depend d JOIN columns o ON o.relid = d.refobjid AND o.attnum = d.refobjsubid
             WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')))
    FROM relations c JOIN pg_catalog.pg_sequence q ON q.seqrelid = c.oid

    UNION ALL
    SELECT 'type', t.name,
        CASE t.typtype
            WHEN 'e' THEN 'enum (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid) || ')'
            WHEN 'd' THEN pg_catalog.concat_ws(' ', 'domain', pg_catalog.format_type(t.typbasetype, t.typtypmod),
                              CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault,
                              (SELECT pg_catalog.string_agg(pg_catalog.format('constraint %I %s', k.conname, pg_catalog.pg_get_constraintdef(k.oid)), ' ' ORDER BY k.conname)
                               FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
            WHEN 'r' THEN 'range of ' || (SELECT pg_catalog.format_type(r.rngsubtype, NULL) FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
            ELSE 'composite (' || (SELECT pg_catalog.string_agg(pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
                                   FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) || ')'
        END
    FROM types t

    UNION ALL
    SELECT 'statistics', pg_catalog.format('%I.%I', s.nspname, x.stxname), pg_catalog.pg_get_statisticsobjdef(x.oid)
    FROM pg_catalog.pg_statistic_ext x JOIN schemas s ON s.oid = x.stxnamespace

    UNION ALL
    SELECT 'publication', pg_catalog.quote_ident(p.pubname),
        pg_catalog.concat_ws(' ',
            CASE WHEN p.puballtables THEN 'for all tables' END,
            CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
            CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END,
            CASE WHEN p.pubviaroot THEN 'via root' END,
            'tables (' || (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', r.prrelid::pg_catalog.regclass::text, r.prattrs::text, 'where ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid)),
                                             ', ' ORDER BY r.prrelid::pg_catalog.regclass::text)
                           FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid) || ')',
            'schemas (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(n.nspname), ', ' ORDER BY n.nspname)
                            FROM pg_catalog.pg_publication_namespace pn JOIN pg_catalog.pg_namespace n ON n.oid = pn.pnnspid WHERE pn.pnpubid = p.oid) || ')')
    FROM pg_catalog.pg_publication p

    UNION ALL
    -- An owner who holds everything is the rule and not worth a line.
    SELECT 'grant', pg_catalog.format('%s %s to %s', g.class, g.name, g.grantee), g.privileges
    FROM grant_lines g WHERE NOT (g.is_owner AND g.privileges = 'ALL')
    UNION ALL
    -- … and an owner who holds nothing has no line above.
    SELECT 'grant', pg_catalog.format('%s %s to %s', a.class, a.name, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.owner))), 'nothing'
    FROM acls a WHERE NOT EXISTS (SELECT FROM grants g WHERE g.class = a.class AND g.name = a.name AND g.grantee = a.owner)

    UNION ALL
    SELECT 'default grant',
        pg_catalog.format('%s of %I%s to %s', CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' ELSE 'schemas' END,
               pg_catalog.pg_get_userbyid(d.defaclrole), ' in schema ' || pg_catalog.quote_ident(n.nspname),
               CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END),
        CASE WHEN pg_catalog.count(*) = (SELECT pg_catalog.count(*) FROM pg_catalog.aclexplode(pg_catalog.acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)) e
                                         WHERE e.grantee = d.defaclrole)
             THEN 'ALL' || CASE WHEN pg_catalog.bool_and(x.is_grantable) AND x.grantee <> d.defaclrole THEN ' WITH GRANT OPTION' ELSE '' END
             ELSE pg_catalog.string_agg(x.privilege_type || CASE WHEN x.is_grantable AND x.grantee <> d.defaclrole THEN '*' ELSE '' END, ', ' ORDER BY x.privilege_type) END
    FROM pg_catalog.pg_default_acl d
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace, LATERAL pg_catalog.aclexplode(d.defaclacl) x
    WHERE d.defaclnamespace = 0 OR d.defaclnamespace IN (SELECT oid FROM schemas)
    GROUP BY d.oid, d.defaclobjtype, d.defaclrole, n.nspname, x.grantee

    UNION ALL
    SELECT 'owner', CASE relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' ELSE 'table ' END || name, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(relowner))
    FROM relations WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL
    SELECT 'owner', 'function ' || name, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(proowner)) FROM functions
    UNION ALL
    SELECT 'owner', 'type ' || name, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(typowner)) FROM types
    UNION ALL
    SELECT 'owner', 'schema ' || pg_catalog.quote_ident(nspname), pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(nspowner)) FROM schemas

    UNION ALL
    -- Comments on what is listed above; those on extensions and on schema public are the server's own.
    SELECT 'comment', i.type || ' ' || i.identity, d.description
    FROM pg_catalog.pg_description d, LATERAL pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) i
    WHERE d.classoid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
      AND NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = d.classoid AND e.objid = d.objoid)
      AND CASE WHEN d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass THEN d.objoid IN (SELECT oid FROM relations)
               WHEN d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass THEN d.objoid IN (SELECT oid FROM functions)
               WHEN d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass THEN d.objoid IN (SELECT oid FROM types)
               WHEN d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                   THEN d.objoid IN (SELECT oid FROM schemas WHERE nspname <> 'public')
               WHEN d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
                   THEN d.objoid IN (SELECT k.oid FROM pg_catalog.pg_constraint k WHERE k.conrelid IN (SELECT oid FROM tables) OR k.contypid IN (SELECT oid FROM types))
               WHEN d.classoid = 'pg_catalog.pg_policy'::pg_catalog.regclass
                   THEN d.objoid IN (SELECT p.oid FROM pg_catalog.pg_policy p WHERE p.polrelid IN (SELECT oid FROM tables))
               WHEN d.classoid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
                   THEN d.objoid IN (SELECT g.oid FROM pg_catalog.pg_trigger g WHERE g.tgrelid IN (SELECT oid FROM relations) AND NOT g.tgisinternal)
               ELSE false END
)
SELECT kind, object, definition FROM objects ORDER BY kind COLLATE "C", object COLLATE "C"
