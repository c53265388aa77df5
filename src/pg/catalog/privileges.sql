    UNION ALL
    -- An owner who holds everything is the rule and not worth a line.
    SELECT 'grant', pg_catalog.format('%s %s to %s', g.class, g.name, g.grantee), g.privileges
    FROM grant_lines g WHERE NOT (g.is_owner AND g.privileges = 'ALL')
    UNION ALL
    -- ... and an owner who holds nothing has no line above.
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
    WHERE (d.defaclnamespace = 0 OR d.defaclnamespace IN (SELECT oid FROM schemas)) AND pg_catalog.pg_has_role(d.defaclrole, 'MEMBER')
    GROUP BY d.oid, d.defaclobjtype, d.defaclrole, n.nspname, x.grantee

    UNION ALL
    SELECT 'owner', CASE relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' ELSE 'table ' END || name, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(relowner))
    FROM relations WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL
    SELECT 'owner', 'function ' || name, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(proowner)) FROM functions
    UNION ALL
    SELECT 'owner', 'type ' || name, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(typowner)) FROM types
    UNION ALL
    SELECT 'owner', o.what, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o.owner))
    FROM (SELECT 'schema ' || pg_catalog.quote_ident(nspname) AS what, nspowner AS owner FROM schemas
          UNION ALL SELECT 'operator ' || name, oprowner FROM operators
          UNION ALL SELECT 'operator family ' || name, opfowner FROM families
          UNION ALL SELECT 'operator class ' || name, opcowner FROM classes
          UNION ALL SELECT 'collation ' || name, collowner FROM collations
          UNION ALL SELECT 'conversion ' || name, conowner FROM conversions
          UNION ALL SELECT 'text search configuration ' || name, cfgowner FROM search_configurations
          UNION ALL SELECT 'text search dictionary ' || name, dictowner FROM search_dictionaries
          UNION ALL SELECT 'statistics ' || name, stxowner FROM statistics
          UNION ALL SELECT 'language ' || pg_catalog.quote_ident(lanname), lanowner FROM languages
          UNION ALL SELECT 'foreign data wrapper ' || pg_catalog.quote_ident(fdwname), fdwowner FROM wrappers
          UNION ALL SELECT 'foreign server ' || pg_catalog.quote_ident(srvname), srvowner FROM servers
          UNION ALL SELECT 'event trigger ' || pg_catalog.quote_ident(evtname), evtowner FROM event_triggers
          UNION ALL SELECT 'publication ' || pg_catalog.quote_ident(pubname), pubowner FROM publications) o

    UNION ALL
    -- Of whatever somebody made. What extensions say of themselves, and the server of schema public, is theirs.
    SELECT l.kind, i.type || ' ' || i.identity || l.provider, l.said
    FROM (SELECT 'comment' AS kind, classoid, objoid, objsubid, '' AS provider, description AS said FROM pg_catalog.pg_description
          UNION ALL SELECT 'security label', classoid, objoid, objsubid, ' by ' || provider, label FROM pg_catalog.pg_seclabel) l,
         LATERAL pg_catalog.pg_identify_object(l.classoid, l.objoid, l.objsubid) i,
         LATERAL pg_catalog.pg_identify_object_as_address(l.classoid, l.objoid, l.objsubid) a
    WHERE (l.objoid >= 16384 OR (i.type = 'schema' AND i.identity = 'public' AND l.said <> 'standard public schema'))
      AND l.classoid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
      AND NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = l.classoid AND e.objid = l.objoid)
      -- What belongs to a table has no schema of its own, but begins its address with the table's.
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n
                      WHERE (n.nspname = i.schema OR (n.nspname = a.object_names[1] AND l.classoid IN (
                                 'pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
                                 'pg_catalog.pg_policy'::pg_catalog.regclass, 'pg_catalog.pg_rewrite'::pg_catalog.regclass)))
                        AND (n.nspname ~ '^pg_' OR n.nspname IN ('information_schema', 'ledger_anchor') OR n.nspname::text = ANY ($1)))
)
SELECT kind, object, definition FROM objects ORDER BY kind COLLATE "C", object COLLATE "C"
