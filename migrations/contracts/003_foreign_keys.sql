-- Every reference between the tables, checked against the rows that are there.
-- projects.owner_id: users of a tenant go with the tenant, so the check waits for the end of the statement (NO ACTION).

ALTER TABLE public.users ADD CONSTRAINT users_tenant_id_fkey
  FOREIGN KEY (tenant_id) REFERENCES public.tenants (id)
  ON DELETE CASCADE;
ALTER TABLE public.projects ADD CONSTRAINT projects_tenant_id_fkey
  FOREIGN KEY (tenant_id) REFERENCES public.tenants (id)
  ON DELETE CASCADE;
ALTER TABLE public.projects ADD CONSTRAINT projects_owner_id_fkey
  FOREIGN KEY (owner_id) REFERENCES public.users (id);
ALTER TABLE public.documents ADD CONSTRAINT documents_project_id_fkey
  FOREIGN KEY (project_id) REFERENCES public.projects (id)
  ON DELETE CASCADE;
ALTER TABLE public.documents ADD CONSTRAINT documents_uploaded_by_fkey
  FOREIGN KEY (uploaded_by) REFERENCES public.users (id)
  ON DELETE SET NULL;
ALTER TABLE public.clauses ADD CONSTRAINT clauses_document_id_fkey
  FOREIGN KEY (document_id) REFERENCES public.documents (id)
  ON DELETE CASCADE;
ALTER TABLE public.analyses ADD CONSTRAINT analyses_project_id_fkey
  FOREIGN KEY (project_id) REFERENCES public.projects (id)
  ON DELETE CASCADE;
ALTER TABLE public.analyses ADD CONSTRAINT analyses_document_id_fkey
  FOREIGN KEY (document_id) REFERENCES public.documents (id)
  ON DELETE CASCADE;
ALTER TABLE public.alerts ADD CONSTRAINT alerts_tenant_id_fkey
  FOREIGN KEY (tenant_id) REFERENCES public.tenants (id)
  ON DELETE CASCADE;
ALTER TABLE public.alerts ADD CONSTRAINT alerts_clause_id_fkey
  FOREIGN KEY (clause_id) REFERENCES public.clauses (id)
  ON DELETE CASCADE;
ALTER TABLE public.alerts ADD CONSTRAINT alerts_analysis_id_fkey
  FOREIGN KEY (analysis_id) REFERENCES public.analyses (id)
  ON DELETE CASCADE;
ALTER TABLE public.extractions ADD CONSTRAINT extractions_document_id_fkey
  FOREIGN KEY (document_id) REFERENCES public.documents (id)
  ON DELETE CASCADE;
ALTER TABLE public.stakeholders ADD CONSTRAINT stakeholders_project_id_fkey
  FOREIGN KEY (project_id) REFERENCES public.projects (id)
  ON DELETE CASCADE;
ALTER TABLE public.wbs_items ADD CONSTRAINT wbs_items_project_id_fkey
  FOREIGN KEY (project_id) REFERENCES public.projects (id)
  ON DELETE CASCADE;
ALTER TABLE public.wbs_items ADD CONSTRAINT wbs_items_parent_id_fkey
  FOREIGN KEY (parent_id) REFERENCES public.wbs_items (id)
  ON DELETE CASCADE;
ALTER TABLE public.bom_items ADD CONSTRAINT bom_items_wbs_item_id_fkey
  FOREIGN KEY (wbs_item_id) REFERENCES public.wbs_items (id)
  ON DELETE CASCADE;
ALTER TABLE public.stakeholder_wbs_raci ADD CONSTRAINT stakeholder_wbs_raci_stakeholder_id_fkey
  FOREIGN KEY (stakeholder_id) REFERENCES public.stakeholders (id)
  ON DELETE CASCADE;
ALTER TABLE public.stakeholder_wbs_raci ADD CONSTRAINT stakeholder_wbs_raci_wbs_item_id_fkey
  FOREIGN KEY (wbs_item_id) REFERENCES public.wbs_items (id)
  ON DELETE CASCADE;
ALTER TABLE public.ai_usage_logs ADD CONSTRAINT ai_usage_logs_tenant_id_fkey
  FOREIGN KEY (tenant_id) REFERENCES public.tenants (id)
  ON DELETE CASCADE;
ALTER TABLE public.ai_usage_logs ADD CONSTRAINT ai_usage_logs_user_id_fkey
  FOREIGN KEY (user_id) REFERENCES public.users (id)
  ON DELETE CASCADE;
ALTER TABLE public.audit_logs ADD CONSTRAINT audit_logs_tenant_id_fkey
  FOREIGN KEY (tenant_id) REFERENCES public.tenants (id)
  ON DELETE CASCADE;
