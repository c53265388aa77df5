-- code: rls-publication
-- title: No publication carries every tenant's rows out
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: logical replication knows no policies: a subscriber receives the rows of all tenants
-- fix: ALTER PUBLICATION ... DROP TABLE, or SET TABLE ... WHERE (...); if the subscriber is trusted, accept the finding
--
-- supabase_realtime is served to clients through the policies; DELETE is not, and with REPLICA IDENTITY FULL it carries the whole row.
SELECT pg_catalog.quote_ident(p.pubname) || ': ' || t.name AS subject,
       p.rowfilter IS NOT NULL OR (p.pubname = 'supabase_realtime' AND c.relrowsecurity AND c.relreplident <> 'f') AS ok,
       'a row filter, or realtime with row security and without full replica identity' AS expected,
       CASE WHEN p.rowfilter IS NOT NULL THEN 'filtered'
            WHEN p.pubname = 'supabase_realtime' AND c.relreplident = 'f' THEN 'deleted rows are sent whole to every subscriber'
            WHEN p.pubname = 'supabase_realtime' AND c.relrowsecurity THEN 'through the policies'
            ELSE 'every tenant''s rows' END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_publication_tables p ON p.schemaname = n.nspname AND p.tablename = c.relname
ORDER BY 1
