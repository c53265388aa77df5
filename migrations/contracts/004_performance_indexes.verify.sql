-- The new indexes are there and valid.
DO $$
DECLARE
  missing text;
BEGIN
  SELECT pg_catalog.string_agg(k, ', ') INTO missing
  FROM pg_catalog.unnest(ARRAY[
    'ai_usage_logs_user_recent_idx',
    'projects_tenant_idx',
    'projects_owner_idx',
    'documents_project_idx',
    'documents_uploaded_by_idx',
    'clauses_document_idx',
    'analyses_project_idx',
    'analyses_document_idx',
    'alerts_inbox_idx',
    'alerts_clause_idx',
    'alerts_analysis_idx',
    'extractions_document_idx',
    'stakeholders_project_idx',
    'wbs_items_project_idx',
    'wbs_items_parent_idx',
    'bom_items_wbs_item_idx',
    'stakeholder_wbs_raci_wbs_item_idx',
    'ai_usage_logs_model_idx',
    'audit_logs_row_idx'
  ]) AS k
  WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_index i
    WHERE i.indexrelid = pg_catalog.to_regclass('public.' || k) AND i.indisvalid AND i.indisready);
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'indexes missing or invalid: %', missing;
  END IF;
END
$$;
