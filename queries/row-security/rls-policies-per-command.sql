-- code: rls-policies-per-command
-- title: Every command an application role may run on a tenant table has a policy
-- step: row-security
-- severity: medium
-- min-subjects: 1
-- why: a granted command without a permissive policy is refused for every row: safe, but a grant or a policy was forgotten
-- fix: CREATE POLICY ... FOR the command TO the role, or REVOKE the command
WITH RECURSIVE wanted AS (
    SELECT t.name, pg_catalog.to_regclass(t.name)::pg_catalog.oid AS oid
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
), reach(role, oid) AS (
    SELECT r.rolname, r.oid FROM pg_catalog.pg_roles r
    WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
    UNION
    SELECT reach.role, m.roleid FROM reach JOIN pg_catalog.pg_auth_members m ON m.member = reach.oid
), command(letter, word) AS (
    VALUES ('r', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE'), ('d', 'DELETE')
), cell AS (
    SELECT w.name, w.oid, command.word,
           CASE WHEN w.oid IS NULL THEN false
                WHEN command.letter = 'd' THEN pg_catalog.has_table_privilege(role.oid, w.oid, 'DELETE')
                ELSE pg_catalog.has_any_column_privilege(role.oid, w.oid, command.word) END AS granted,
           EXISTS (SELECT FROM pg_catalog.pg_policy p
                   WHERE p.polrelid = w.oid AND p.polpermissive AND p.polcmd IN ('*', command.letter)
                     AND (0 = ANY (p.polroles)
                          OR EXISTS (SELECT FROM reach WHERE reach.role = role.rolname AND reach.oid = ANY (p.polroles)))) AS covered,
           role.rolname
    FROM wanted w CROSS JOIN command
    LEFT JOIN pg_catalog.pg_roles role
           ON role.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
)
-- A command is covered when some application role that may run it has a policy for it: a read-only role beside a writing one is no fault.
, per_command AS (
    SELECT name, oid, word, pg_catalog.bool_or(granted) AS granted, pg_catalog.bool_or(granted AND covered) AS covered
    FROM cell GROUP BY name, oid, word
)
SELECT name AS subject,
       oid IS NOT NULL
         AND NOT COALESCE(pg_catalog.bool_or(granted AND NOT covered), false)
         AND (pg_catalog.bool_or(granted AND covered)
              OR EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = per_command.oid)
              OR NOT COALESCE(pg_catalog.bool_or(granted), false)) AS ok,
       'a policy for each granted command' AS expected,
       CASE WHEN oid IS NULL THEN 'the table does not exist'
            WHEN pg_catalog.bool_or(granted AND NOT covered)
            THEN 'no policy for ' || pg_catalog.string_agg(word, ', ' ORDER BY word) FILTER (WHERE granted AND NOT covered)
            ELSE 'covered: ' || COALESCE(pg_catalog.string_agg(word, ', ' ORDER BY word) FILTER (WHERE granted AND covered), 'nothing is granted') END AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM per_command
GROUP BY name, oid
ORDER BY name
