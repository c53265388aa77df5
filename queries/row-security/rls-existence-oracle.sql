-- code: rls-existence-oracle
-- title: No key of a tenant table tells what other tenants have
-- step: row-security
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: unique and foreign keys are checked past the policies: an error (or ON CONFLICT DO NOTHING) says whether a value exists elsewhere
-- fix: put the tenant's column into the key, use random keys, or check the parent in WITH CHECK; if the values are public, accept it
--
-- Examined are the unique indexes and foreign keys of tables the application may insert into or update. One that holds a column of the
-- tenant's path, a uuid, or nothing but generated numbers tells nothing that could be guessed; a foreign key whose parent a policy of
-- the table looks at is stopped by that policy. The tenants' own table is left out: its names are a directory.
WITH wanted AS (
    SELECT t.name, c.oid, $1::pg_catalog.jsonb -> 'scopes' -> t.name AS path
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
    WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r
                  WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
                    AND pg_catalog.has_any_column_privilege(r.oid, c.oid, 'INSERT,UPDATE'))
      AND pg_catalog.jsonb_typeof($1::pg_catalog.jsonb -> 'scopes' -> t.name) = 'array'
), key(name, relation, path, what, object, columns, parent) AS (
    SELECT w.name, w.oid, w.path, 'unique', i.indexrelid::pg_catalog.regclass::text, i.indkey::int2[], NULL::pg_catalog.oid
    FROM wanted w JOIN pg_catalog.pg_index i ON i.indrelid = w.oid AND i.indisunique
    UNION ALL
    SELECT w.name, w.oid, w.path, 'foreign key', pg_catalog.quote_ident(k.conname), k.conkey, k.confrelid
    FROM wanted w JOIN pg_catalog.pg_constraint k ON k.conrelid = w.oid AND k.contype = 'f'
    WHERE k.confrelid IN (SELECT pg_catalog.to_regclass(t.name)::pg_catalog.oid
                          FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name))
      AND k.confrelid <> k.conrelid
), judged AS (
    SELECT key.*,
           EXISTS (SELECT FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = key.relation AND a.attnum = ANY (key.columns)
                     AND (key.path @> pg_catalog.to_jsonb(a.attname::text) OR a.atttypid = 'pg_catalog.uuid'::pg_catalog.regtype)) AS bound,
           what = 'unique' AND NOT EXISTS (
                   SELECT FROM pg_catalog.unnest(key.columns) AS number
                   LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = key.relation AND a.attnum = number
                   LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                   WHERE number = 0 OR (a.attidentity = '' AND COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') !~ 'nextval\(|uuid')) AS generated,
           parent IS NOT NULL AND EXISTS (
                   SELECT FROM pg_catalog.pg_policy p
                   JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid
                    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = key.parent
                   WHERE p.polrelid = key.relation AND p.polcmd IN ('*', 'a', 'w')) AS looked_at
    FROM key
)
SELECT name || ': ' || object AS subject,
       bound OR generated OR looked_at AS ok,
       'says nothing about other tenants' AS expected,
       CASE WHEN bound THEN 'holds the tenant or a uuid'
            WHEN generated THEN 'generated numbers alone'
            WHEN looked_at THEN 'its parent is checked by a policy'
            ELSE what || ' of values that can be guessed, without the tenant' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM judged
ORDER BY 1
