-- code: role-sees-every-row
-- title: Row security hides no row from the role
-- step: environment
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: under row security a dump stops or leaves rows out, and every count is of what may be seen
-- fix: ALTER ROLE ... BYPASSRLS, or connect as a superuser

-- $1: {"role": name or null for the session's own, "exclude": [schema, ...]}. The owner is exempt unless the table forces row security.
WITH who AS (
  SELECT r.oid, r.rolname, r.rolsuper OR r.rolbypassrls AS exempt
  FROM pg_catalog.pg_roles AS r WHERE r.rolname = COALESCE($1::jsonb ->> 'role', CURRENT_USER::text)::name
)
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS subject,
  who.exempt OR (NOT c.relforcerowsecurity AND pg_catalog.pg_has_role(who.oid, c.relowner, 'USAGE')) AS ok,
  'exempt from row security' AS expected,
  CASE
    WHEN who.exempt THEN 'exempt: superuser or BYPASSRLS'
    WHEN NOT pg_catalog.pg_has_role(who.oid, c.relowner, 'USAGE') THEN 'neither owner nor BYPASSRLS'
    WHEN c.relforcerowsecurity THEN 'owner, but row security is forced'
    ELSE 'exempt: owner, not forced'
  END AS observed
FROM who, pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT COALESCE($1::jsonb -> 'exclude', '[]') ? n.nspname::text
ORDER BY 1
