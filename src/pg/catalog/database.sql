    UNION ALL
    SELECT 'event trigger', pg_catalog.quote_ident(e.evtname),
        pg_catalog.concat_ws(' ', e.evtevent, e.evtfoid::pg_catalog.regprocedure::text, e.evttags::text,
            CASE e.evtenabled WHEN 'O' THEN NULL WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled on replica' ELSE 'enabled always' END)
    FROM event_triggers e

    UNION ALL
    SELECT 'publication', pg_catalog.quote_ident(p.pubname),
        pg_catalog.concat_ws(' ',
            CASE WHEN p.puballtables THEN 'for all tables' END,
            CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
            CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END,
            CASE WHEN p.pubviaroot THEN 'via root' END,
            'generated columns ' || NULLIF(pg_catalog.to_jsonb(p) ->> 'pubgencols', 'n'),
            'tables (' || (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', r.prrelid::pg_catalog.regclass::text,
                                      '(' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attname)
                                              FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[])) || ')',
                                      'where ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid)),
                                             ', ' ORDER BY r.prrelid::pg_catalog.regclass::text)
                           FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid) || ')',
            'schemas (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(n.nspname), ', ' ORDER BY n.nspname)
                            FROM pg_catalog.pg_publication_namespace pn JOIN pg_catalog.pg_namespace n ON n.oid = pn.pnnspid WHERE pn.pnpubid = p.oid) || ')')
    FROM publications p
    UNION ALL
    -- Where it connects to is a secret, and not for every role to read.
    SELECT 'subscription', pg_catalog.quote_ident(s.subname),
        pg_catalog.concat_ws(' ', CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END, 'publications ' || s.subpublications::text, 'slot ' || s.subslotname,
            'owner ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(s.subowner)))
    FROM pg_catalog.pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())

    UNION ALL
    SELECT 'foreign data wrapper', pg_catalog.quote_ident(w.fdwname),
        pg_catalog.concat_ws(' ', 'handler', w.fdwhandler::pg_catalog.regproc::text, 'validator', w.fdwvalidator::pg_catalog.regproc::text,
            'options (' || (SELECT o.text FROM options o WHERE o.class = 'wrapper' AND o.oid = w.oid) || ')')
    FROM wrappers w
    UNION ALL
    SELECT 'foreign server', pg_catalog.quote_ident(f.srvname),
        pg_catalog.concat_ws(' ', 'wrapper', pg_catalog.quote_ident(w.fdwname), 'type ' || f.srvtype, 'version ' || f.srvversion,
            'options (' || (SELECT o.text FROM options o WHERE o.class = 'server' AND o.oid = f.oid) || ')')
    FROM servers f JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw
    UNION ALL
    -- The options' names and the remote user's name; never another value.
    SELECT 'user mapping', pg_catalog.format('%s on %I', CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(m.usename) END, m.srvname),
        'options (' || COALESCE((SELECT pg_catalog.string_agg(pg_catalog.quote_ident(o.option_name)
                                                   || CASE WHEN o.option_name = 'user' THEN ' ' || pg_catalog.quote_literal(o.option_value) ELSE '' END,
                                                   ', ' ORDER BY o.option_name)
                                 FROM pg_catalog.pg_options_to_table(m.umoptions) o), '') || ')'
    FROM pg_catalog.pg_user_mappings m

    UNION ALL
    SELECT 'large objects', 'of ' || g.owner || COALESCE(' to ' || g.privileges, ''), g.objects::text
    FROM (SELECT l.owner, l.privileges, pg_catalog.count(*) AS objects
          FROM (SELECT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(m.lomowner)) AS owner,
                       (SELECT pg_catalog.string_agg(pg_catalog.format('%s %s%s', CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
                                                                       x.privilege_type, CASE WHEN x.is_grantable THEN '*' ELSE '' END),
                                                     ', ' ORDER BY x.grantee = 0 DESC, pg_catalog.pg_get_userbyid(x.grantee), x.privilege_type)
                        FROM pg_catalog.aclexplode(m.lomacl) x WHERE x.grantee <> m.lomowner) AS privileges
                FROM pg_catalog.pg_largeobject_metadata m) l
          GROUP BY l.owner, l.privileges) g

    UNION ALL
    -- What stands at the database itself is no part of a dump.
    SELECT 'database setting', pg_catalog.concat_ws(' ', 'of', COALESCE(pg_catalog.quote_ident(r.rolname), 'every role'), pg_catalog.split_part(setting, '=', 1)),
        CASE WHEN setting ~* '^[^=]*(pass|secret|key|token|cred|private)' THEN '...' ELSE pg_catalog.substr(setting, pg_catalog.strpos(setting, '=') + 1) END
    FROM pg_catalog.pg_db_role_setting s
    JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = pg_catalog.current_database()
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, pg_catalog.unnest(s.setconfig) AS setting
    UNION ALL
    SELECT 'database grant', pg_catalog.format('to %s', CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END),
        pg_catalog.string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ', ' ORDER BY x.privilege_type)
    FROM pg_catalog.pg_database d, LATERAL pg_catalog.aclexplode(COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))) x
    WHERE d.datname = pg_catalog.current_database() AND x.grantee <> d.datdba
    GROUP BY x.grantee
