-- code: fk-to-auth-unique
-- title: Foreign keys into the schema auth refer to primary keys
-- step: foreign-keys
-- severity: medium
-- min-subjects: 1
-- when-none: not-applicable
-- why: the platform changes the other unique keys of auth in its own migrations, and a key of yours on one makes them fail
-- fix: let the foreign key refer to auth.users (id)
--
-- Only where the schema belongs to the platform; a schema auth of one's own is not meant.
SELECT pg_catalog.format('%I.%I: %I', n.nspname, c.relname, k.conname) AS subject,
       i.indisprimary AS ok,
       'the primary key' AS expected,
       'refers to ' || k.confrelid::pg_catalog.regclass::text
         || CASE WHEN i.indisprimary THEN ' by its primary key' ELSE ' by ' || k.conindid::pg_catalog.regclass::text END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class parent ON parent.oid = k.confrelid
JOIN pg_catalog.pg_namespace pn ON pn.oid = parent.relnamespace AND pn.nspname = 'auth'
JOIN pg_catalog.pg_index i ON i.indexrelid = k.conindid
WHERE k.contype = 'f' AND n.nspname <> 'auth' AND pg_catalog.pg_get_userbyid(pn.nspowner) ~ '^supabase.*admin$'
ORDER BY 1
