-- What of the schemas left out ($1) a frame can hold: `schema` and its pattern; `closed`, a relation that the role may not read;
-- `rowless`, a table to which no key of a kept table leads, be it over other tables left out. All are patterns of pg_dump, quoted.
WITH RECURSIVE left_out AS (
    SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname::text = ANY ($1) AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
), relation AS (
    SELECT c.oid, c.relkind, n.nspname, c.relname FROM pg_catalog.pg_class AS c JOIN left_out AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), reached AS (
    SELECT k.confrelid AS oid FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_class AS child ON child.oid = k.conrelid
    WHERE k.contype = 'f' AND k.confrelid IN (SELECT oid FROM relation) AND child.oid NOT IN (SELECT oid FROM relation)
  UNION
    SELECT k.confrelid FROM reached JOIN pg_catalog.pg_constraint AS k ON k.conrelid = reached.oid AND k.contype = 'f'
    WHERE k.confrelid IN (SELECT oid FROM relation)
), pattern AS (
    SELECT 'schema' AS kind, '"' || pg_catalog.replace(nspname, '"', '""') || '"' AS name FROM left_out
  UNION ALL
    -- A sequence comes with its table, whatever is asked; its position is no matter.
    SELECT CASE WHEN relkind = 'S' THEN 'rowless'
                WHEN NOT pg_catalog.has_table_privilege(oid, 'SELECT') THEN 'closed'
                WHEN relkind IN ('r', 'p') AND oid NOT IN (SELECT oid FROM reached) THEN 'rowless' END,
           '"' || pg_catalog.replace(nspname, '"', '""') || '"."' || pg_catalog.replace(relname, '"', '""') || '"'
    FROM relation
)
SELECT kind, name FROM pattern WHERE kind IS NOT NULL ORDER BY kind, name
