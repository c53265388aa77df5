-- code: disabled-triggers
-- title: Every trigger fires
-- step: integrity
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: a trigger disabled for a load and never enabled again leaves audit lines and derived values out, in silence
-- fix: ALTER TABLE table ENABLE TRIGGER name

-- $1: {"exclude": [schema]} from [backup] exclude-schemas.
-- Triggers of users; those that enforce foreign keys have a check of their own.
SELECT pg_catalog.format('%I.%I.%I', n.nspname, c.relname, trg.tgname) AS subject,
  trg.tgenabled IN ('O', 'A') AS ok,
  'enabled' AS expected,
  CASE trg.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'fires on replicas only' ELSE 'enabled' END AS observed,
  NULL::jsonb AS detail
FROM pg_catalog.pg_trigger AS trg
JOIN pg_catalog.pg_class AS c ON c.oid = trg.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT trg.tgisinternal AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname::text <> ALL (ARRAY(SELECT pg_catalog.jsonb_array_elements_text($1::jsonb -> 'exclude')))
ORDER BY 1
