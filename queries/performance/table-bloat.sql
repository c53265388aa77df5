-- code: table-bloat
-- title: No table keeps far more room than its rows need
-- step: performance
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: every scan, backup and restore carries the empty room along; it comes from mass changes that no vacuum could give back
-- fix: VACUUM (FULL) in a quiet hour, or pg_repack; look for what keeps vacuum from its work (long transactions, replication slots)
--
-- An estimate: the rows that the last ANALYZE counted, by the average widths of pg_stats, against the pages of the main file; the room that
-- fillfactor keeps free is not counted. A finding has more than 70 % and 20 MiB to spare. Tables that were never analysed, or whose
-- statistics this role may not read, have no estimate and are not examined.
WITH relation AS (
    SELECT c.oid, n.nspname, c.relname, c.reltuples::numeric AS held,
           pg_catalog.pg_relation_size(c.oid)::numeric AS bytes,
           pg_catalog.current_setting('block_size')::numeric AS block,
           COALESCE((SELECT o.option_value::numeric FROM pg_catalog.pg_options_to_table(c.reloptions) o WHERE o.option_name = 'fillfactor'), 100) / 100 AS fill
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.reltuples >= 0 AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      AND NOT pg_catalog.jsonb_exists(COALESCE($1::jsonb -> 'excluded_schemas', '[]'::jsonb), n.nspname)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
), width AS (
    -- Of a parent its own rows' statistics, not those of its children.
    SELECT r.oid, pg_catalog.count(a.attnum) AS columns, pg_catalog.count(s.attname) AS known,
           pg_catalog.bool_or(s.null_frac > 0) AS nulls, pg_catalog.sum((1 - s.null_frac) * s.avg_width)::numeric AS data
    FROM relation r
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = r.nspname AND s.tablename = r.relname AND s.attname = a.attname AND NOT s.inherited
    GROUP BY r.oid
), estimate AS (
    -- Rows and their headers begin at multiples of 8 bytes; a line pointer is 4, a page's header 24 bytes (manual, "Database Page Layout").
    SELECT r.*, pg_catalog.ceil(r.held * (4 + 8 * pg_catalog.ceil((23 + CASE WHEN w.nulls THEN (w.columns + 7) / 8 ELSE 0 END) / 8.0) + 8 * pg_catalog.ceil(w.data / 8))
                    / ((r.block - 24) * r.fill)) * r.block AS needed
    FROM relation r JOIN width w USING (oid)
    WHERE w.known = w.columns OR r.held = 0
)
SELECT pg_catalog.format('%I.%I', nspname, relname) AS subject,
       NOT (bytes - COALESCE(needed, 0) > 20 * 1024 * 1024 AND COALESCE(needed, 0) < 0.3 * bytes) AS ok,
       'at most 70 % or 20 MiB to spare' AS expected,
       pg_catalog.format('%s MiB held, about %s MiB needed', pg_catalog.round(bytes / 1048576, 1), pg_catalog.round(COALESCE(needed, 0) / 1048576, 1)) AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM estimate
ORDER BY 1
