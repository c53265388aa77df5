-- code: rls-identity-trusted
-- title: Policies identify a session by what it cannot change itself
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: user_metadata is edited by the user, and being signed in says nothing about which tenant one belongs to
-- fix: compare with app_metadata, a membership table or auth.uid()
SELECT pg_catalog.format('%I.%I: %s', n.nspname, c.relname, p.polname) AS subject,
       text.body !~ '(raw_)?user_meta_?data' AS ok,
       'no user_metadata' AS expected,
       CASE WHEN text.body ~ '(raw_)?user_meta_?data' THEN 'decides by user_metadata' ELSE 'does not' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || ' '
                           || COALESCE(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') AS body) AS text
ORDER BY 1
