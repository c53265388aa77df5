-- 21 foreign keys, all of them validated.
DO $$
DECLARE
  missing text;
BEGIN
  SELECT pg_catalog.string_agg(k, ', ') INTO missing
  FROM pg_catalog.unnest(ARRAY[
    'users_tenant_id_fkey',
    'projects_tenant_id_fkey',
    'projects_owner_id_fkey',
    'documents_project_id_fkey',
    'documents_uploaded_by_fkey',
    'clauses_document_id_fkey',
    'analyses_project_id_fkey',
    'analyses_document_id_fkey',
    'alerts_tenant_id_fkey',
    'alerts_clause_id_fkey',
    'alerts_analysis_id_fkey',
    'extractions_document_id_fkey',
    'stakeholders_project_id_fkey',
    'wbs_items_project_id_fkey',
    'wbs_items_parent_id_fkey',
    'bom_items_wbs_item_id_fkey',
    'stakeholder_wbs_raci_stakeholder_id_fkey',
    'stakeholder_wbs_raci_wbs_item_id_fkey',
    'ai_usage_logs_tenant_id_fkey',
    'ai_usage_logs_user_id_fkey',
    'audit_logs_tenant_id_fkey'
  ]) AS k
  WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
    WHERE n.nspname = 'public' AND c.conname = k AND c.contype = 'f' AND c.convalidated);
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'foreign keys missing or not validated: %', missing;
  END IF;
END
$$;
