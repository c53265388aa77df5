-- code: rls-storage-objects
-- title: The policies of storage ask whose file it is
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: a policy on storage.objects that names only a bucket lets every client list, overwrite or delete everybody's files in it
-- fix: compare the owner, or the first folder of the name, with auth.uid() or the tenant in USING and WITH CHECK
--
-- Files of a public bucket are served by their address without any policy; a SELECT policy there only adds the list of all files.
SELECT 'storage.objects: ' || p.polname AS subject,
       NOT (p.polpermissive AND NOT said.asks
            AND (0 = ANY (p.polroles) OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = ANY (p.polroles)
                   AND (r.rolname IN ('anon', 'authenticated')
                        OR r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles')))))) AS ok,
       'asks who the session is' AS expected,
       CASE p.polcmd WHEN 'r' THEN 'lists' WHEN 'a' THEN 'adds' WHEN 'w' THEN 'overwrites' WHEN 'd' THEN 'deletes' ELSE 'lists and changes' END
         || CASE WHEN said.asks THEN ' what the session''s identity allows' ELSE ' files of everybody' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_policy p
CROSS JOIN LATERAL (
    SELECT COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || ' ' || COALESCE(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '')
             ~* '\mcurrent_setting\(|\m(current_user|session_user)\M|\mauth\.(uid|jwt|email)\('
           OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                      JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
                      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> 'storage'
                      WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid
                        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)
           OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                      JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid
                      JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace AND n.nspname NOT IN ('storage', 'auth')
                      WHERE d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND d.objid = p.oid
                        AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) AS asks
) AS said
WHERE p.polrelid = pg_catalog.to_regclass('storage.objects')
ORDER BY 1
