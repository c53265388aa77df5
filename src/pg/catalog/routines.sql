    UNION ALL
    SELECT CASE f.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END, f.name,
        CASE WHEN f.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(f.oid)
             ELSE (SELECT pg_catalog.concat_ws(' ', 'sfunc', a.aggtransfn::pg_catalog.regproc::text, 'stype', a.aggtranstype::pg_catalog.regtype::text,
                                    'sspace ' || NULLIF(a.aggtransspace, 0),
                                    'finalfunc', a.aggfinalfn::pg_catalog.regproc::text, CASE WHEN a.aggfinalextra THEN 'extra' END, a.aggfinalmodify::text,
                                    'combinefunc', a.aggcombinefn::pg_catalog.regproc::text,
                                    'serialfunc ' || NULLIF(a.aggserialfn::oid, 0)::pg_catalog.regproc::text,
                                    'deserialfunc ' || NULLIF(a.aggdeserialfn::oid, 0)::pg_catalog.regproc::text,
                                    'initcond', COALESCE(a.agginitval, 'null'), 'kind', a.aggkind::text, 'direct ' || NULLIF(a.aggnumdirectargs, 0),
                                    'msfunc ' || NULLIF(a.aggmtransfn::oid, 0)::pg_catalog.regproc::text,
                                    'minvfunc ' || NULLIF(a.aggminvtransfn::oid, 0)::pg_catalog.regproc::text,
                                    'mfinalfunc ' || NULLIF(a.aggmfinalfn::oid, 0)::pg_catalog.regproc::text,
                                    'mstype ' || NULLIF(a.aggmtranstype, 0)::pg_catalog.regtype::text, 'minitcond ' || a.aggminitval,
                                    'sortop ' || NULLIF(a.aggsortop, 0)::pg_catalog.regoperator::text, 'parallel', f.proparallel::text)
                   FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = f.oid) END
    FROM functions f

    UNION ALL
    SELECT 'type', t.name,
        CASE t.typtype
            WHEN 'e' THEN 'enum (' || (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid) || ')'
            WHEN 'd' THEN pg_catalog.concat_ws(' ', 'domain', pg_catalog.format_type(t.typbasetype, t.typtypmod),
                              'collate ' || (SELECT pg_catalog.format('%I.%I', n.nspname, c.collname)
                                             FROM pg_catalog.pg_type b JOIN pg_catalog.pg_collation c ON c.oid = t.typcollation
                                             JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                                             WHERE b.oid = t.typbasetype AND b.typcollation <> t.typcollation),
                              CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault,
                              (SELECT pg_catalog.string_agg(pg_catalog.format('constraint %I %s', k.conname, pg_catalog.pg_get_constraintdef(k.oid)), ' ' ORDER BY k.conname)
                               FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
            WHEN 'r' THEN (SELECT pg_catalog.concat_ws(' ', 'range of', pg_catalog.format_type(r.rngsubtype, NULL),
                                      'collation ' || NULLIF(r.rngcollation, 0)::pg_catalog.regcollation::text,
                                      'opclass ' || (SELECT pg_catalog.format('%I.%I', n.nspname, o.opcname) FROM pg_catalog.pg_opclass o
                                                     JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace WHERE o.oid = r.rngsubopc),
                                      'canonical ' || NULLIF(r.rngcanonical::oid, 0)::pg_catalog.regproc::text,
                                      'subtype_diff ' || NULLIF(r.rngsubdiff::oid, 0)::pg_catalog.regproc::text,
                                      'multirange ' || r.rngmultitypid::pg_catalog.regtype::text)
                           FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
            WHEN 'p' THEN 'shell'
            WHEN 'b' THEN pg_catalog.concat_ws(' ', 'base', t.typinput::text, t.typoutput::text, t.typreceive::text, t.typsend::text, t.typmodin::text, t.typmodout::text,
                              t.typanalyze::text, t.typsubscript::text, 'length', t.typlen, CASE WHEN t.typbyval THEN 'by value' END, 'align', t.typalign::text,
                              'storage', t.typstorage::text, 'category', t.typcategory::text, CASE WHEN t.typispreferred THEN 'preferred' END,
                              'delimiter', t.typdelim::text, 'default ' || t.typdefault, 'element ' || NULLIF(t.typelem, 0)::pg_catalog.regtype::text,
                              CASE WHEN t.typcollation <> 0 THEN 'collatable' END)
            ELSE 'composite (' || COALESCE((SELECT pg_catalog.string_agg(pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
                                                              || COALESCE(' collate ' || CASE WHEN a.attcollation <> ty.typcollation THEN a.attcollation::pg_catalog.regcollation::text END, ''),
                                                              ', ' ORDER BY a.attnum)
                                   FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type ty ON ty.oid = a.atttypid
                                   WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')'
        END
    FROM types t

    UNION ALL
    SELECT 'cast', pg_catalog.format('%s as %s', pg_catalog.format_type(c.castsource, NULL), pg_catalog.format_type(c.casttarget, NULL)),
        pg_catalog.concat_ws(' ',
            CASE c.castmethod WHEN 'f' THEN 'function ' || c.castfunc::pg_catalog.regprocedure::text WHEN 'i' THEN 'inout' ELSE 'binary' END,
            CASE c.castcontext WHEN 'i' THEN 'implicit' WHEN 'a' THEN 'assignment' ELSE 'explicit' END)
    FROM pg_catalog.pg_cast c
    WHERE c.oid >= 16384 AND NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass AND e.objid = c.oid)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                      WHERE t.oid IN (c.castsource, c.casttarget) AND n.nspname::text = ANY ($1))

    UNION ALL
    SELECT 'operator', o.name,
        pg_catalog.concat_ws(' ', 'procedure', o.oprcode::text,
            'commutator ' || NULLIF(o.oprcom, 0)::pg_catalog.regoperator::text, 'negator ' || NULLIF(o.oprnegate, 0)::pg_catalog.regoperator::text,
            'restrict ' || NULLIF(o.oprrest::oid, 0)::pg_catalog.regproc::text, 'join ' || NULLIF(o.oprjoin::oid, 0)::pg_catalog.regproc::text,
            CASE WHEN o.oprcanhash THEN 'hashes' END, CASE WHEN o.oprcanmerge THEN 'merges' END)
    FROM operators o
    UNION ALL
    SELECT 'operator class', c.name,
        pg_catalog.concat_ws(' ', CASE WHEN c.opcdefault THEN 'default' END, 'for type', pg_catalog.format_type(c.opcintype, NULL),
            'family ' || (SELECT pg_catalog.format('%I.%I', n.nspname, f.opfname) FROM pg_catalog.pg_opfamily f
                          JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace WHERE f.oid = c.opcfamily),
            'storage ' || NULLIF(c.opckeytype, 0)::pg_catalog.regtype::text)
    FROM classes c
    UNION ALL
    SELECT 'operator family', f.name,
        pg_catalog.concat_ws(', ',
            (SELECT pg_catalog.string_agg(pg_catalog.format('operator %s %s %s%s', o.amopstrategy, o.amopopr::pg_catalog.regoperator, o.amoppurpose,
                                          COALESCE(' ' || (SELECT s.opfname FROM pg_catalog.pg_opfamily s WHERE s.oid = o.amopsortfamily), '')),
                                          ', ' ORDER BY o.amopstrategy, o.amopopr::pg_catalog.regoperator::text)
             FROM pg_catalog.pg_amop o WHERE o.amopfamily = f.oid),
            (SELECT pg_catalog.string_agg(pg_catalog.format('function %s (%s, %s) %s', p.amprocnum, p.amproclefttype::pg_catalog.regtype, p.amprocrighttype::pg_catalog.regtype,
                                                            p.amproc::pg_catalog.regprocedure),
                                          ', ' ORDER BY p.amprocnum, p.amproclefttype::pg_catalog.regtype::text, p.amprocrighttype::pg_catalog.regtype::text)
             FROM pg_catalog.pg_amproc p WHERE p.amprocfamily = f.oid))
    FROM families f

    UNION ALL
    -- The name of the locale's column changed in 17.
    SELECT 'collation', c.name,
        pg_catalog.concat_ws(' ', 'provider', c.collprovider::text, 'collate ' || c.collcollate, 'ctype ' || c.collctype,
            'locale ' || COALESCE(c.facts ->> 'colllocale', c.facts ->> 'colliculocale'), 'rules ' || (c.facts ->> 'collicurules'),
            CASE WHEN NOT c.collisdeterministic THEN 'not deterministic' END)
    FROM collations c
    UNION ALL
    SELECT 'conversion', c.name,
        pg_catalog.concat_ws(' ', CASE WHEN c.condefault THEN 'default' END, pg_catalog.pg_encoding_to_char(c.conforencoding), 'to',
            pg_catalog.pg_encoding_to_char(c.contoencoding), c.conproc::text)
    FROM conversions c

    UNION ALL
    SELECT 'text search configuration', c.name,
        pg_catalog.concat_ws(' ', 'parser', (SELECT pg_catalog.format('%I.%I', n.nspname, p.prsname) FROM pg_catalog.pg_ts_parser p
                                             JOIN pg_catalog.pg_namespace n ON n.oid = p.prsnamespace WHERE p.oid = c.cfgparser),
            (SELECT pg_catalog.string_agg(pg_catalog.format('%s with %s', (SELECT t.alias FROM pg_catalog.ts_token_type(c.cfgparser) t WHERE t.tokid = m.maptokentype),
                                                            m.mapdict::pg_catalog.regdictionary), ', ' ORDER BY m.maptokentype, m.mapseqno)
             FROM pg_catalog.pg_ts_config_map m WHERE m.mapcfg = c.oid))
    FROM search_configurations c
    UNION ALL
    SELECT 'text search dictionary', d.name,
        pg_catalog.concat_ws(' ', 'template', (SELECT pg_catalog.format('%I.%I', n.nspname, t.tmplname) FROM pg_catalog.pg_ts_template t
                                               JOIN pg_catalog.pg_namespace n ON n.oid = t.tmplnamespace WHERE t.oid = d.dicttemplate), d.dictinitoption)
    FROM search_dictionaries d
    UNION ALL
    SELECT 'text search parser', pg_catalog.format('%I.%I', s.nspname, p.prsname),
        pg_catalog.concat_ws(' ', p.prsstart::text, p.prstoken::text, p.prsend::text, p.prsheadline::text, p.prslextype::text)
    FROM pg_catalog.pg_ts_parser p JOIN schemas s ON s.oid = p.prsnamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_ts_parser'::pg_catalog.regclass AND e.objid = p.oid)
    UNION ALL
    SELECT 'text search template', pg_catalog.format('%I.%I', s.nspname, t.tmplname), pg_catalog.concat_ws(' ', t.tmplinit::text, t.tmpllexize::text)
    FROM pg_catalog.pg_ts_template t JOIN schemas s ON s.oid = t.tmplnamespace
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_ts_template'::pg_catalog.regclass AND e.objid = t.oid)

    UNION ALL
    SELECT 'language', pg_catalog.quote_ident(l.lanname),
        pg_catalog.concat_ws(' ', CASE WHEN l.lanpltrusted THEN 'trusted' END, 'handler', l.lanplcallfoid::pg_catalog.regproc::text,
            'inline', l.laninline::pg_catalog.regproc::text, 'validator', l.lanvalidator::pg_catalog.regproc::text)
    FROM languages l
    UNION ALL
    SELECT 'transform', pg_catalog.format('for %s language %I', pg_catalog.format_type(t.trftype, NULL), l.lanname),
        pg_catalog.concat_ws(' ', t.trffromsql::pg_catalog.regprocedure::text, t.trftosql::pg_catalog.regprocedure::text)
    FROM pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang
    WHERE NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_transform'::pg_catalog.regclass AND e.objid = t.oid)
    UNION ALL
    SELECT 'access method', pg_catalog.quote_ident(m.amname), pg_catalog.concat_ws(' ', m.amtype::text, m.amhandler::text)
    FROM pg_catalog.pg_am m
    WHERE m.oid >= 16384 AND NOT EXISTS (SELECT FROM owned_by_extension e WHERE e.classid = 'pg_catalog.pg_am'::pg_catalog.regclass AND e.objid = m.oid)
