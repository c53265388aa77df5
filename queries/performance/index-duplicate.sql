-- code: index-duplicate
-- title: No index repeats another one of its table
-- step: performance
-- severity: low
-- when-none: not-applicable
-- why: a second equal index costs every write and speeds up nothing
-- fix: DROP INDEX CONCURRENTLY on the one that guards no constraint
--
-- Of two equal indexes the finding is the one that guards nothing, or else the younger.
WITH indexes AS (
    SELECT i.*, n.nspname, c.relname, c.relam,
           EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) AS guards,
           pg_catalog.pg_get_expr(i.indexprs, i.indrelid) AS expressions,
           pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate
      FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
       AND NOT pg_catalog.jsonb_exists(COALESCE($1::jsonb -> 'excluded_schemas', '[]'::jsonb), n.nspname)
)
SELECT pg_catalog.format('%I.%I', i.nspname, i.relname) AS subject,
       twin.relname IS NULL AS ok,
       'unlike the other indexes of its table' AS expected,
       CASE WHEN twin.relname IS NULL THEN 'unlike the others'
            ELSE pg_catalog.format('repeats %I.%I', twin.nspname, twin.relname) END AS observed,
       pg_catalog.jsonb_build_object('table', i.indrelid::pg_catalog.regclass::text) AS detail
  FROM indexes i
  LEFT JOIN LATERAL (
       SELECT j.nspname, j.relname
         FROM indexes j
        WHERE j.indrelid = i.indrelid AND j.indexrelid <> i.indexrelid AND j.indisvalid
          AND j.relam = i.relam AND j.indnkeyatts = i.indnkeyatts AND j.indkey = i.indkey AND j.indclass = i.indclass
          AND j.indcollation = i.indcollation AND j.indoption = i.indoption
          AND j.expressions IS NOT DISTINCT FROM i.expressions AND j.predicate IS NOT DISTINCT FROM i.predicate
          AND (j.indisunique OR NOT i.indisunique)
          AND ROW(NOT j.guards, NOT j.indisunique, j.indexrelid) < ROW(NOT i.guards, NOT i.indisunique, i.indexrelid)
        ORDER BY j.guards DESC, j.indexrelid
        LIMIT 1) twin ON true
 ORDER BY 1
