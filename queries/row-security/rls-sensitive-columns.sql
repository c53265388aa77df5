-- code: rls-sensitive-columns
-- title: No column that sounds like a secret is readable without row security
-- step: row-security
-- severity: high
-- min-subjects: 1
-- when-none: not-applicable
-- why: passwords, tokens, card and identity numbers in a table without row security are read by every role with a grant
-- fix: ENABLE ROW LEVEL SECURITY, REVOKE SELECT, or grant the other columns by name
--
-- Judged by the column's name alone. Examined are the columns of such names that a role of the application or the API may read.
SELECT pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname) AS subject,
       c.relrowsecurity AS ok,
       'row security enabled' AS expected,
       CASE WHEN c.relrowsecurity THEN 'enabled, ' ELSE 'no row security, ' END
         || 'readable by ' || pg_catalog.string_agg(r.rolname, ', ' ORDER BY r.rolname) AS observed,
       NULL::pg_catalog.jsonb AS detail
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles r
  ON (r.rolname IN ('anon', 'authenticated')
      OR r.rolname IN (SELECT pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb -> 'roles')))
 AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
 AND pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND pg_catalog.lower(pg_catalog.regexp_replace(a.attname, '([a-z0-9])([A-Z])', '\1_\2', 'g'))
      ~ '(^|_)(passw(or)?d|passphrase|pwd|secret|api_?key|private_key|access_token|refresh_token|session_token|bearer_token|auth_token|totp|otp|mfa_code|recovery_code|backup_code|ssn|social_security(_number)?|passport(_number|_id)?|national_id|tax_id|driver_?s?_licen[cs]e|credit_card(_number)?|card_number|cvv|cvc|iban|bank_account(_number)?|routing_number|medical_record(_number)?|health_record|insurance_number|ssh_key|license_key)($|_(hash|digest|encrypted|enc|salt)$)'
GROUP BY n.nspname, c.relname, a.attname, c.relrowsecurity
ORDER BY 1
