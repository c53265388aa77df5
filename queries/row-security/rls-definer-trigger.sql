-- code: rls-definer-trigger
-- title: No trigger changes rows elsewhere past the policies
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: a SECURITY DEFINER trigger acts as its owner: a row of one's own can be made to change or remove another tenant's
-- fix: make the function SECURITY INVOKER, or let it only add rows (an audit line), or compare the tenants in its WHERE and accept it
--
-- Examined are the definer functions whose owner the policies do not bind, behind triggers of tables the application writes. Adding a row is
-- what an audit trigger does; UPDATE, DELETE, MERGE, TRUNCATE, DO UPDATE and statements put together at run time are the finding.
WITH found AS (
    SELECT c.oid AS relation, n.nspname, c.relname, t.tgname, fn.nspname AS fn, f.proname, owner.rolname,
           pg_catalog.regexp_replace(COALESCE(f.prosrc, ''), '--[^\n]*|/\*.*?\*/', ' ', 'g') AS body
    FROM pg_catalog.pg_trigger t
    JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid AND f.prosecdef
    JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
    JOIN pg_catalog.pg_roles owner ON owner.oid = f.proowner
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D'
      AND (owner.rolsuper OR owner.rolbypassrls
           OR EXISTS (SELECT FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS w(name)
                      JOIN pg_catalog.pg_class b ON b.oid = pg_catalog.to_regclass(w.name)
                      WHERE b.relowner = owner.oid AND NOT b.relforcerowsecurity))
      AND EXISTS (SELECT FROM pg_catalog.pg_roles r
                  WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
                    AND (pg_catalog.has_any_column_privilege(r.oid, c.oid, 'INSERT,UPDATE') OR pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE')))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')
), judged AS (
    SELECT found.*,
           body ~* '\mupdate\s+(only\s+)?["a-z_][^\s;]*(\s+(as\s+)?["a-z_][^\s;]*)?\s+set\M|\mdelete\s+from\M|\mmerge\s+into\M|\mtruncate\s+[^,]|\mdo\s+update\s+set\M' AS changes,
           body ~* '\mexecute\s+(pg_catalog\.)?(format|''|quote_|concat|[a-z_]+\s*;)' AS dynamic
    FROM found
)
SELECT pg_catalog.format('%I.%I: %s', nspname, relname, tgname) AS subject,
       NOT (changes OR dynamic) AS ok,
       'adds rows at most' AS expected,
       pg_catalog.format('%I.%I as %s', fn, proname, rolname)
         || CASE WHEN changes THEN ', changes or removes rows' WHEN dynamic THEN ', runs statements made at run time' ELSE ', adds rows at most' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM judged
ORDER BY 1
