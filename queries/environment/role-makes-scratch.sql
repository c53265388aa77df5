-- code: role-makes-scratch
-- title: The role may create scratch databases
-- step: environment
-- severity: high
-- min-subjects: 1
-- why: a backup that is not restored is not a backup, and nothing may be tried on the target itself
-- fix: ALTER ROLE ... CREATEDB, or name another server under [scratch] url-env

-- $1: {"role": name or null for the session's own}. Asked of the server where scratch databases are made.
SELECT pg_catalog.quote_ident(r.rolname) AS subject, r.rolsuper OR r.rolcreatedb AS ok, 'CREATEDB' AS expected,
  CASE WHEN r.rolsuper THEN 'superuser' WHEN r.rolcreatedb THEN 'CREATEDB' ELSE 'no CREATEDB' END AS observed
FROM pg_catalog.pg_roles AS r WHERE r.rolname = COALESCE($1::jsonb ->> 'role', CURRENT_USER::text)::name
