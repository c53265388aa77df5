-- code: rls-dangerous-grants
-- title: No application role may TRUNCATE, reference or put triggers on a tenant table
-- step: row-security
-- severity: high
-- min-subjects: 1
-- why: TRUNCATE ignores policies; REFERENCES tells whether a foreign key value exists; TRIGGER runs code as whoever writes
-- fix: REVOKE TRUNCATE, REFERENCES, TRIGGER ON ... FROM the role and PUBLIC

-- A role that is reached through PostgREST alone (a member's name is authenticator) cannot use them: its API sends none of the three.
-- Supabase grants them to such roles by default.
WITH held AS (
    SELECT t.name, r.rolname, p.privilege
    FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'tables') AS t(name)
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
    CROSS JOIN (VALUES ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) AS p(privilege)
    LEFT JOIN pg_catalog.pg_roles r
           ON r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles'))
          AND pg_catalog.has_table_privilege(r.oid, c.oid, p.privilege)
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles a ON a.oid = m.member
                          WHERE m.roleid = r.oid AND a.rolname = 'authenticator')
)
SELECT name AS subject,
       pg_catalog.count(rolname) = 0 AS ok,
       'no TRUNCATE, REFERENCES or TRIGGER' AS expected,
       COALESCE(pg_catalog.string_agg(rolname || ': ' || privilege, ', ' ORDER BY rolname, privilege), 'none') AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM held
GROUP BY name
ORDER BY name
