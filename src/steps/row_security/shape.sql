-- The shape of a database as the probe needs it: one JSON document. Nothing of extensions, of the system or of temporary schemas.
WITH relation AS (
    SELECT c.*, n.nspname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p')
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT pg_catalog.jsonb_build_object(
    'tables', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'oid', r.oid::bigint,
        'schema', r.nspname,
        'name', r.relname,
        'sql', pg_catalog.format('%I.%I', r.nspname, r.relname),
        'rls', r.relrowsecurity,
        'force', r.relforcerowsecurity,
        'owner', pg_catalog.pg_get_userbyid(r.relowner),
        'partition', r.relispartition,
        'partitioned', r.relkind = 'p',
        'rows', r.reltuples,
        'triggers', EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = r.oid AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')),
        'columns', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'number', a.attnum,
                'name', a.attname,
                'sql', pg_catalog.quote_ident(a.attname),
                'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                'base', (SELECT b.typname FROM pg_catalog.pg_type b WHERE b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END),
                'category', t.typcategory,
                'kind', t.typtype,
                'typmod', CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
                'not_null', a.attnotnull OR t.typnotnull,
                'default', a.atthasdef OR a.attidentity <> '',
                'default_text', CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
                'generated', a.attgenerated <> '',
                'attributes', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute x WHERE x.attrelid = t.typrelid AND t.typtype = 'c' AND x.attnum > 0 AND NOT x.attisdropped),
                'labels', (SELECT COALESCE(pg_catalog.jsonb_agg(e.enumlabel ORDER BY e.enumsortorder), '[]')
                           FROM pg_catalog.pg_enum e
                           WHERE e.enumtypid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END),
                'checks', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.pg_get_constraintdef(k.oid)), '[]')
                           FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')
            ) ORDER BY a.attnum), '[]')
            FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped),
        'uniques', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'primary', i.indisprimary,
                'whole', i.indpred IS NULL AND i.indexprs IS NULL,
                'columns', (SELECT pg_catalog.jsonb_agg(DISTINCT k.n) FROM (
                        SELECT u.n FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS u(n, o) WHERE u.o <= i.indnkeyatts AND u.n > 0
                        UNION ALL
                        -- An expression's columns: those the index depends on and the expression names.
                        SELECT a.attnum FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                        WHERE i.indexprs IS NOT NULL AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
                          AND d.refobjid = i.indrelid AND d.refobjsubid > 0
                          AND pg_catalog.strpos(pg_catalog.pg_get_expr(i.indexprs, i.indrelid), a.attname) > 0) k)
            ) ORDER BY i.indisprimary DESC, i.indexrelid), '[]')
            FROM pg_catalog.pg_index i
            WHERE i.indrelid = r.oid AND (i.indisunique OR i.indisexclusion) AND i.indisvalid),
        'checks', (SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'name', k.conname, 'text', pg_catalog.pg_get_constraintdef(k.oid), 'columns', pg_catalog.to_jsonb(k.conkey))), '[]')
            FROM pg_catalog.pg_constraint k WHERE k.conrelid = r.oid AND k.contype = 'c'),
        -- Where its rows may stand: the partition key's columns and what each leaf wants; nothing where a default partition takes the rest.
        'partition_key', (SELECT pg_catalog.to_jsonb(p.partattrs::int2[]) FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = r.oid AND p.partstrat <> 'h'),
        'bounds', (SELECT COALESCE(pg_catalog.jsonb_agg(l.bound), '[]') FROM (
            SELECT pg_catalog.pg_get_partition_constraintdef(t.relid) AS bound FROM pg_catalog.pg_partition_tree(r.oid) t
            WHERE r.relkind = 'p' AND t.isleaf
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = r.oid AND p.partdefid <> 0)
            ORDER BY t.relid LIMIT 20) l WHERE l.bound IS NOT NULL)
    ) ORDER BY r.nspname, r.relname) FROM relation r), '[]'),
    'keys', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'name', k.conname, 'child', k.conrelid::bigint, 'columns', pg_catalog.to_jsonb(k.conkey),
        'parent', k.confrelid::bigint, 'parent_columns', pg_catalog.to_jsonb(k.confkey)) ORDER BY k.oid)
        FROM pg_catalog.pg_constraint k JOIN relation r ON r.oid = k.conrelid
        WHERE k.contype = 'f' AND k.conparentid = 0), '[]'),
    'policies', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'table', p.polrelid::bigint, 'name', p.polname, 'command', p.polcmd, 'permissive', p.polpermissive,
        'everyone', 0 = ANY (p.polroles),
        'roles', (SELECT COALESCE(pg_catalog.jsonb_agg(x.rolname), '[]') FROM pg_catalog.pg_roles x WHERE x.oid = ANY (p.polroles)),
        'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
        'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) ORDER BY p.polrelid, p.polname)
        FROM pg_catalog.pg_policy p JOIN relation r ON r.oid = p.polrelid), '[]'),
    'functions', COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'name', pg_catalog.format('%I.%I', n.nspname, f.proname),
        'arguments', COALESCE((SELECT pg_catalog.jsonb_agg(a.name ORDER BY a.at)
            FROM ROWS FROM (pg_catalog.unnest(f.proargnames), pg_catalog.unnest(f.proargmodes)) WITH ORDINALITY a(name, mode, at)
            WHERE a.name IS NOT NULL AND (a.mode IS NULL OR a.mode IN ('i', 'b', 'v'))), '[]'),
        'defaults', COALESCE(pg_catalog.pg_get_expr(f.proargdefaults, 0) || ')', ''),
        'body', COALESCE(f.prosrc, '') || ' ' || COALESCE(pg_catalog.pg_get_function_sqlbody(f.oid), '')) ORDER BY n.nspname, f.proname, f.oid)
        FROM pg_catalog.pg_proc f
        JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
        JOIN pg_catalog.pg_language l ON l.oid = f.prolang
        WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND l.lanname NOT IN ('c', 'internal')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')), '[]'),
    -- Who may do anything with a table, and what it is beyond that: roles that bypass row security are administrators, not the application.
    'grantees', COALESCE((SELECT pg_catalog.jsonb_agg(DISTINCT pg_catalog.pg_get_userbyid(g.grantee))
        FROM relation r, pg_catalog.aclexplode(r.relacl) g
        JOIN pg_catalog.pg_roles x ON x.oid = g.grantee
        WHERE g.grantee <> r.relowner AND g.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
          AND NOT x.rolsuper AND NOT x.rolbypassrls AND NOT x.rolcreaterole AND NOT x.rolreplication
          -- A platform's own roles serve the platform, not the application.
          AND x.rolname !~ '^(pg_|supabase_|pgsodium_|dashboard_user$|pgbouncer$|rds_|rdsadmin|cloudsql|azure_)'), '[]'),
    'members', COALESCE((SELECT pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_object('role', x.rolname, 'of', g.rolname, 'api', x.rolname = 'authenticator'))
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles x ON x.oid = m.member
        JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
        WHERE NOT x.rolsuper AND NOT x.rolbypassrls AND NOT g.rolsuper AND NOT g.rolbypassrls AND g.rolname !~ '^pg_' AND x.rolname !~ '^pg_'), '[]'),
    -- Who owns tables, beyond administrators: where nobody else may do anything, the application connects as the owner.
    'owners', COALESCE((SELECT pg_catalog.jsonb_agg(DISTINCT x.rolname) FROM relation r JOIN pg_catalog.pg_roles x ON x.oid = r.relowner
        WHERE NOT x.rolsuper AND NOT x.rolbypassrls), '[]')
)
