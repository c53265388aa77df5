-- code: rls-multiple-permissive
-- title: At most one permissive policy decides a command for a role
-- step: row-security
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: permissive policies are ORed: each one is evaluated for every row, and the widest of them wins
-- fix: join them into one policy, name their roles with TO, or make the narrowing one RESTRICTIVE
WITH RECURSIVE reach(role, oid) AS (
    SELECT r.rolname, r.oid FROM pg_catalog.pg_roles r
    WHERE r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
    UNION
    SELECT reach.role, m.roleid FROM reach JOIN pg_catalog.pg_auth_members m ON m.member = reach.oid
), command(letter, word) AS (
    VALUES ('r'::"char", 'SELECT'), ('a'::"char", 'INSERT'), ('w'::"char", 'UPDATE'), ('d'::"char", 'DELETE')
), cell AS (
    SELECT t.name, role.rolname, command.word, pg_catalog.count(DISTINCT p.oid) AS policies,
           pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(p.polname), ', ') AS names
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
    JOIN pg_catalog.pg_policy p ON p.polrelid = pg_catalog.to_regclass(t.name) AND p.polpermissive
    CROSS JOIN command
    JOIN pg_catalog.pg_roles role ON role.rolname IN (SELECT role FROM reach)
     AND (p.polroles = '{0}' OR EXISTS (SELECT FROM reach WHERE reach.role = role.rolname AND reach.oid = ANY (p.polroles)))
    WHERE p.polcmd IN ('*', command.letter)
    GROUP BY t.name, role.rolname, command.word
)
SELECT name AS subject,
       pg_catalog.max(policies) <= 1 AS ok,
       'one permissive policy a command and role' AS expected,
       COALESCE(pg_catalog.string_agg(word || ' as ' || rolname || ': ' || names, '; ' ORDER BY rolname, word) FILTER (WHERE policies > 1), 'one') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM cell
GROUP BY name
ORDER BY name
