-- code: index-redundant
-- title: No index is only the beginning of another one
-- step: performance
-- severity: low
-- when-none: not-applicable
-- why: the longer index serves the same queries; the shorter one costs every write, though it is smaller to read
-- fix: DROP INDEX CONCURRENTLY on the shorter one, if its smaller size is not what makes the query fast
--
-- B-tree indexes without expressions and predicates, that are not unique: a finding if its columns, operator classes, collations and
-- orders are the first ones of another valid B-tree index of the table.
WITH indexes AS (
    SELECT i.*, n.nspname, c.relname
      FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname = 'btree'
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
       AND NOT pg_catalog.jsonb_exists(COALESCE($1::jsonb -> 'excluded_schemas', '[]'::jsonb), n.nspname)
       AND i.indexprs IS NULL AND i.indpred IS NULL
)
SELECT pg_catalog.format('%I.%I', i.nspname, i.relname) AS subject,
       longer.relname IS NULL AS ok,
       'not the beginning of another index' AS expected,
       CASE WHEN longer.relname IS NULL THEN 'stands alone'
            ELSE pg_catalog.format('is the beginning of %I.%I', longer.nspname, longer.relname) END AS observed,
       pg_catalog.jsonb_build_object('table', i.indrelid::pg_catalog.regclass::text) AS detail
  FROM indexes i
  LEFT JOIN LATERAL (
       SELECT j.nspname, j.relname
         FROM indexes j
        WHERE j.indrelid = i.indrelid AND j.indexrelid <> i.indexrelid AND j.indisvalid AND j.indnkeyatts > i.indnkeyatts
          AND NOT EXISTS (
              SELECT 1
                FROM pg_catalog.generate_series(0, i.indnatts - 1) AS at
               WHERE i.indkey[at] IS DISTINCT FROM j.indkey[at]
                  OR (at < i.indnkeyatts AND (i.indclass[at] IS DISTINCT FROM j.indclass[at]
                                              OR i.indcollation[at] IS DISTINCT FROM j.indcollation[at]
                                              OR i.indoption[at] IS DISTINCT FROM j.indoption[at])))
        ORDER BY j.indnkeyatts, j.indexrelid
        LIMIT 1) longer ON NOT i.indisunique
 ORDER BY 1
