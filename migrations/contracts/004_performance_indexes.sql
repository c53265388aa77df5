-- Indexes for what the application asks most, and for every foreign key that none covers yet.

-- The usage page lists the latest calls of each user: the order belongs into the index, which then also does the work of the
-- old one.
CREATE INDEX ai_usage_logs_user_recent_idx ON public.ai_usage_logs (user_id, created_at DESC);
DROP INDEX public.ai_usage_logs_user_idx;

CREATE INDEX projects_tenant_idx ON public.projects (tenant_id);
CREATE INDEX projects_owner_idx ON public.projects (owner_id);
CREATE INDEX documents_project_idx ON public.documents (project_id);
CREATE INDEX documents_uploaded_by_idx ON public.documents (uploaded_by);
CREATE INDEX clauses_document_idx ON public.clauses (document_id, position);
CREATE INDEX analyses_project_idx ON public.analyses (project_id);
CREATE INDEX analyses_document_idx ON public.analyses (document_id);
CREATE INDEX alerts_inbox_idx ON public.alerts (tenant_id, state, created_at DESC);
CREATE INDEX alerts_clause_idx ON public.alerts (clause_id);
CREATE INDEX alerts_analysis_idx ON public.alerts (analysis_id);
CREATE INDEX extractions_document_idx ON public.extractions (document_id);
CREATE INDEX stakeholders_project_idx ON public.stakeholders (project_id);
CREATE INDEX wbs_items_project_idx ON public.wbs_items (project_id);
CREATE INDEX wbs_items_parent_idx ON public.wbs_items (parent_id);
CREATE INDEX bom_items_wbs_item_idx ON public.bom_items (wbs_item_id);
CREATE INDEX stakeholder_wbs_raci_wbs_item_idx ON public.stakeholder_wbs_raci (wbs_item_id);
CREATE INDEX ai_usage_logs_model_idx ON public.ai_usage_logs (tenant_id, model);
CREATE INDEX audit_logs_row_idx ON public.audit_logs (tenant_id, table_name, row_key);
