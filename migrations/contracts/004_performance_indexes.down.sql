-- Takes the indexes away and brings the one back that 004 replaced.

CREATE INDEX ai_usage_logs_user_idx ON public.ai_usage_logs (user_id);
DROP INDEX public.audit_logs_row_idx;
DROP INDEX public.ai_usage_logs_model_idx;
DROP INDEX public.stakeholder_wbs_raci_wbs_item_idx;
DROP INDEX public.bom_items_wbs_item_idx;
DROP INDEX public.wbs_items_parent_idx;
DROP INDEX public.wbs_items_project_idx;
DROP INDEX public.stakeholders_project_idx;
DROP INDEX public.extractions_document_idx;
DROP INDEX public.alerts_analysis_idx;
DROP INDEX public.alerts_clause_idx;
DROP INDEX public.alerts_inbox_idx;
DROP INDEX public.analyses_document_idx;
DROP INDEX public.analyses_project_idx;
DROP INDEX public.clauses_document_idx;
DROP INDEX public.documents_uploaded_by_idx;
DROP INDEX public.documents_project_idx;
DROP INDEX public.projects_owner_idx;
DROP INDEX public.projects_tenant_idx;
DROP INDEX public.ai_usage_logs_user_recent_idx;
