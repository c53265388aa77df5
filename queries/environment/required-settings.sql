-- code: required-settings
-- title: The server's settings are as ledger.toml requires
-- step: environment
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: the rehearsal speaks for production only where both are set up alike
-- fix: ALTER SYSTEM or ALTER DATABASE ... SET, or correct [require] settings

-- $1: {"settings": {name: value, ...}}. What our own session overrides (time zone, timeouts, read-only) is compared by its default.
SELECT r.key AS subject, COALESCE(r.value IN (v.shown, v.raw), false) AS ok, r.value AS expected, COALESCE(v.shown, 'not set') AS observed
FROM pg_catalog.jsonb_each_text(COALESCE($1::jsonb -> 'settings', '{}')) AS r
LEFT JOIN LATERAL (
  SELECT CASE WHEN s.source = 'session' THEN s.reset_val ELSE pg_catalog.current_setting(r.key, true) END AS shown,
    COALESCE(s.reset_val, pg_catalog.current_setting(r.key, true)) AS raw
  FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_settings AS s ON pg_catalog.lower(s.name) = pg_catalog.lower(r.key)
) AS v ON true
ORDER BY 1
