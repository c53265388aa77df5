-- Three tenants with data, the same every time. For a database at version 001; run as the owner.
-- ledger_demo.rows: clauses per tenant (default 25000); the other tables follow it.
--   SET ledger_demo.rows = 2000; \i seed.sql
-- Keys are md5 of table, tenant and number, so that any statement here can name the row another one makes. All times lie in 2025.

CREATE TEMPORARY TABLE seed_size AS
SELECT t.tenant, t.name, n.clauses,
  GREATEST(n.clauses / 50, 4) AS documents, GREATEST(n.clauses / 1000, 2) AS projects, GREATEST(n.clauses / 200, 5) AS users
FROM (VALUES (1, 'Aldgate Bridges'), (2, 'Borealis Rail'), (3, 'Cobalt Harbour')) AS t (tenant, name),
  (SELECT GREATEST(COALESCE(NULLIF(pg_catalog.current_setting('ledger_demo.rows', true), ''), '25000')::integer, 20) AS clauses) AS n;

CREATE FUNCTION pg_temp.key(kind text, tenant integer, number bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.md5(kind || ':' || tenant::text || ':' || number::text)::uuid $$;
-- Spread over 2025, a prime number of seconds apart.
CREATE FUNCTION pg_temp.moment(number bigint) RETURNS timestamptz
LANGUAGE sql STABLE AS $$ SELECT timestamptz '2025-01-06 08:00:00+00' + (number * 7919 % 29000000) * interval '1 second' $$;

INSERT INTO public.tenants (id, name, created_at)
SELECT pg_temp.key('tenant', tenant, 0), name, timestamptz '2025-01-02 09:00:00+00' FROM seed_size;

INSERT INTO public.users (id, tenant_id, email, display_name, role, created_at)
SELECT pg_temp.key('user', tenant, i), pg_temp.key('tenant', tenant, 0), 'user' || i || '.t' || tenant || '@example.com', 'User ' || i,
  (ARRAY['viewer', 'editor', 'manager'])[1 + i % 3]::public.member_role, timestamptz '2025-01-03 09:00:00+00'
FROM seed_size, pg_catalog.generate_series(0, users - 1) AS i;

INSERT INTO public.projects (id, tenant_id, owner_id, name, budget, starts_on, ends_on, created_at)
SELECT pg_temp.key('project', tenant, i), pg_temp.key('tenant', tenant, 0), pg_temp.key('user', tenant, i % users), 'Project ' || i,
  100000 + 7500 * i, date '2025-01-06' + i::integer % 90, date '2025-12-19', timestamptz '2025-01-04 09:00:00+00'
FROM seed_size, pg_catalog.generate_series(0, projects - 1) AS i;

INSERT INTO public.documents (id, project_id, uploaded_by, kind, title, pages, created_at)
SELECT pg_temp.key('document', tenant, i), pg_temp.key('project', tenant, i % projects),
  CASE WHEN i % 10 <> 9 THEN pg_temp.key('user', tenant, i % users) END,
  (ARRAY['contract', 'amendment', 'specification', 'correspondence'])[1 + i % 4]::public.document_kind, 'Document ' || i, 1 + i % 80,
  pg_temp.moment(i)
FROM seed_size, pg_catalog.generate_series(0, documents - 1) AS i;

INSERT INTO public.clauses (id, document_id, position, kind, body, confidence, created_at)
SELECT pg_temp.key('clause', tenant, i), pg_temp.key('document', tenant, i % documents), 1 + i / documents,
  (ARRAY['payment', 'liability', 'termination', 'delivery', 'warranty', 'other'])[1 + i % 6]::public.clause_kind,
  'Clause ' || i || ': the contractor shall, within ' || 5 + i % 55 || ' days, ' || (ARRAY['notify', 'deliver', 'repair', 'pay'])[1 + i % 4] || '.',
  (500 + i * 37 % 500) / 1000.0, pg_temp.moment(i)
FROM seed_size, pg_catalog.generate_series(0, clauses - 1) AS i;

-- One analysis for each document.
INSERT INTO public.analyses (id, project_id, document_id, state, summary, started_at, finished_at)
SELECT pg_temp.key('analysis', tenant, i), pg_temp.key('project', tenant, i % projects), pg_temp.key('document', tenant, i), 'done',
  pg_catalog.jsonb_build_object('clauses', clauses / documents, 'risk', i % 100), pg_temp.moment(i), pg_temp.moment(i) + interval '40 seconds'
FROM seed_size, pg_catalog.generate_series(0, documents - 1) AS i;

-- An alert on every other clause, from the analysis of that clause's document.
INSERT INTO public.alerts (id, tenant_id, clause_id, analysis_id, severity, state, message, created_at)
SELECT pg_temp.key('alert', tenant, i), pg_temp.key('tenant', tenant, 0), pg_temp.key('clause', tenant, i),
  pg_temp.key('analysis', tenant, i % documents), (ARRAY['low', 'medium', 'high', 'critical'])[1 + i / 2 % 4]::public.alert_severity,
  (ARRAY['closed', 'closed', 'acknowledged', 'closed', 'closed', 'closed', 'open', 'closed'])[1 + i / 2 % 8],
  'Deadline in clause ' || i || ' needs a look', pg_temp.moment(i) + interval '1 minute'
FROM seed_size, pg_catalog.generate_series(0, clauses - 1, 2) AS i;

INSERT INTO public.extractions (id, document_id, field, value, created_at)
SELECT pg_temp.key('extraction', tenant, i), pg_temp.key('document', tenant, i % documents),
  (ARRAY['party', 'amount', 'deadline', 'jurisdiction'])[1 + i % 4], pg_catalog.to_jsonb(i), pg_temp.moment(i)
FROM seed_size, pg_catalog.generate_series(0, clauses / 4) AS i;

INSERT INTO public.stakeholders (id, project_id, name, email, influence)
SELECT pg_temp.key('stakeholder', tenant, i), pg_temp.key('project', tenant, i % projects), 'Stakeholder ' || i,
  'stakeholder' || i || '.t' || tenant || '@example.com', 1 + i % 5
FROM seed_size, pg_catalog.generate_series(0, projects * 5 - 1) AS i;

-- A tree in each project: the first item of a project is its root, every other one hangs under an earlier one.
INSERT INTO public.wbs_items (id, project_id, parent_id, code, title, planned_hours)
SELECT pg_temp.key('wbs', tenant, i), pg_temp.key('project', tenant, i % projects),
  CASE WHEN i >= projects THEN pg_temp.key('wbs', tenant, i % projects + projects * ((i / projects - 1) / 4)) END,
  'W' || i, 'Work item ' || i, 8 + i % 200
FROM seed_size, pg_catalog.generate_series(0, clauses / 2) AS i;

INSERT INTO public.bom_items (id, wbs_item_id, sku, quantity, unit_price)
SELECT pg_temp.key('bom', tenant, i), pg_temp.key('wbs', tenant, i / 2), 'SKU-' || i % 997, 1 + i % 12, 2.5 + i % 400
FROM seed_size, pg_catalog.generate_series(0, clauses) AS i;

INSERT INTO public.stakeholder_wbs_raci (id, stakeholder_id, wbs_item_id, role)
SELECT pg_temp.key('raci', tenant, i), pg_temp.key('stakeholder', tenant, i % (projects * 5)), pg_temp.key('wbs', tenant, i),
  (ARRAY['responsible', 'accountable', 'consulted', 'informed'])[1 + i % 4]::public.raci_role
FROM seed_size, pg_catalog.generate_series(0, clauses / 10) AS i;

INSERT INTO public.ai_usage_logs (id, tenant_id, user_id, model, tokens, cost, created_at)
SELECT pg_temp.key('usage', tenant, i), pg_temp.key('tenant', tenant, 0), pg_temp.key('user', tenant, i % users),
  (ARRAY['small', 'large'])[1 + i % 2], 200 + i % 4000, (200 + i % 4000) * 0.000015, pg_temp.moment(i)
FROM seed_size, pg_catalog.generate_series(0, clauses) AS i
ORDER BY tenant, i;

INSERT INTO public.audit_logs (id, tenant_id, actor, action, table_name, row_key, created_at)
SELECT pg_temp.key('audit', tenant, i), pg_temp.key('tenant', tenant, 0), 'import', 'read', 'clauses', pg_temp.key('clause', tenant, i % clauses)::text,
  pg_temp.moment(i)
FROM seed_size, pg_catalog.generate_series(0, clauses) AS i;

DROP TABLE seed_size;
DROP FUNCTION pg_temp.key(text, integer, bigint), pg_temp.moment(bigint);
ANALYZE public.tenants, public.users, public.projects, public.documents, public.clauses, public.analyses, public.alerts,
  public.extractions, public.stakeholders, public.wbs_items, public.bom_items, public.stakeholder_wbs_raci, public.ai_usage_logs,
  public.audit_logs;
