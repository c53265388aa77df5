-- Row level security: every table is closed but to the tenant that the session acts for.
-- The tenant stands in the setting app.tenant_id; unset or empty means no tenant, and no row. The setting is read once a
-- query (a sub-select), not once a row. Tables without a tenant column belong to the tenant of their project; EXISTS lets the
-- planner choose between a look-up per row and one hashed pass.
-- FORCE: the owner is bound as well. Migrations run as a role with BYPASSRLS.

ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_select ON public.tenants FOR SELECT TO app_user
  USING (id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY tenants_insert ON public.tenants FOR INSERT TO app_user
  WITH CHECK (id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY tenants_update ON public.tenants FOR UPDATE TO app_user
  USING (id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY tenants_delete ON public.tenants FOR DELETE TO app_user
  USING (id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.users FORCE ROW LEVEL SECURITY;
CREATE POLICY users_select ON public.users FOR SELECT TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY users_insert ON public.users FOR INSERT TO app_user
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY users_update ON public.users FOR UPDATE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY users_delete ON public.users FOR DELETE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE public.projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.projects FORCE ROW LEVEL SECURITY;
CREATE POLICY projects_select ON public.projects FOR SELECT TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY projects_insert ON public.projects FOR INSERT TO app_user
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY projects_update ON public.projects FOR UPDATE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY projects_delete ON public.projects FOR DELETE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.documents FORCE ROW LEVEL SECURITY;
CREATE POLICY documents_select ON public.documents FOR SELECT TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = documents.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY documents_insert ON public.documents FOR INSERT TO app_user
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = documents.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY documents_update ON public.documents FOR UPDATE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = documents.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)))
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = documents.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY documents_delete ON public.documents FOR DELETE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = documents.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));

ALTER TABLE public.clauses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clauses FORCE ROW LEVEL SECURITY;
CREATE POLICY clauses_select ON public.clauses FOR SELECT TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = clauses.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY clauses_insert ON public.clauses FOR INSERT TO app_user
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = clauses.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY clauses_update ON public.clauses FOR UPDATE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = clauses.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)))
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = clauses.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY clauses_delete ON public.clauses FOR DELETE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = clauses.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));

ALTER TABLE public.analyses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.analyses FORCE ROW LEVEL SECURITY;
CREATE POLICY analyses_select ON public.analyses FOR SELECT TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = analyses.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY analyses_insert ON public.analyses FOR INSERT TO app_user
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = analyses.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  AND (document_id IS NULL OR EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = analyses.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))));
CREATE POLICY analyses_update ON public.analyses FOR UPDATE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = analyses.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)))
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = analyses.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  AND (document_id IS NULL OR EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = analyses.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))));
CREATE POLICY analyses_delete ON public.analyses FOR DELETE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = analyses.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));

ALTER TABLE public.alerts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.alerts FORCE ROW LEVEL SECURITY;
CREATE POLICY alerts_select ON public.alerts FOR SELECT TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY alerts_insert ON public.alerts FOR INSERT TO app_user
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY alerts_update ON public.alerts FOR UPDATE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY alerts_delete ON public.alerts FOR DELETE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE public.extractions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.extractions FORCE ROW LEVEL SECURITY;
CREATE POLICY extractions_select ON public.extractions FOR SELECT TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = extractions.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY extractions_insert ON public.extractions FOR INSERT TO app_user
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = extractions.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY extractions_update ON public.extractions FOR UPDATE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = extractions.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)))
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = extractions.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY extractions_delete ON public.extractions FOR DELETE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.documents d JOIN public.projects p ON p.id = d.project_id
    WHERE d.id = extractions.document_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));

ALTER TABLE public.stakeholders ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.stakeholders FORCE ROW LEVEL SECURITY;
CREATE POLICY stakeholders_select ON public.stakeholders FOR SELECT TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = stakeholders.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY stakeholders_insert ON public.stakeholders FOR INSERT TO app_user
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = stakeholders.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY stakeholders_update ON public.stakeholders FOR UPDATE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = stakeholders.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)))
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = stakeholders.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY stakeholders_delete ON public.stakeholders FOR DELETE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = stakeholders.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));

ALTER TABLE public.wbs_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.wbs_items FORCE ROW LEVEL SECURITY;
CREATE POLICY wbs_items_select ON public.wbs_items FOR SELECT TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = wbs_items.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY wbs_items_insert ON public.wbs_items FOR INSERT TO app_user
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = wbs_items.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY wbs_items_update ON public.wbs_items FOR UPDATE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = wbs_items.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)))
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = wbs_items.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY wbs_items_delete ON public.wbs_items FOR DELETE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.projects p
    WHERE p.id = wbs_items.project_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));

ALTER TABLE public.bom_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.bom_items FORCE ROW LEVEL SECURITY;
CREATE POLICY bom_items_select ON public.bom_items FOR SELECT TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = bom_items.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY bom_items_insert ON public.bom_items FOR INSERT TO app_user
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = bom_items.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY bom_items_update ON public.bom_items FOR UPDATE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = bom_items.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)))
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = bom_items.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY bom_items_delete ON public.bom_items FOR DELETE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = bom_items.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));

ALTER TABLE public.stakeholder_wbs_raci ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.stakeholder_wbs_raci FORCE ROW LEVEL SECURITY;
CREATE POLICY stakeholder_wbs_raci_select ON public.stakeholder_wbs_raci FOR SELECT TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = stakeholder_wbs_raci.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY stakeholder_wbs_raci_insert ON public.stakeholder_wbs_raci FOR INSERT TO app_user
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = stakeholder_wbs_raci.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  AND EXISTS (
    SELECT 1 FROM public.stakeholders s JOIN public.projects p ON p.id = s.project_id
    WHERE s.id = stakeholder_wbs_raci.stakeholder_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY stakeholder_wbs_raci_update ON public.stakeholder_wbs_raci FOR UPDATE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = stakeholder_wbs_raci.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)))
  WITH CHECK (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = stakeholder_wbs_raci.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  AND EXISTS (
    SELECT 1 FROM public.stakeholders s JOIN public.projects p ON p.id = s.project_id
    WHERE s.id = stakeholder_wbs_raci.stakeholder_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));
CREATE POLICY stakeholder_wbs_raci_delete ON public.stakeholder_wbs_raci FOR DELETE TO app_user
  USING (EXISTS (
    SELECT 1 FROM public.wbs_items w JOIN public.projects p ON p.id = w.project_id
    WHERE w.id = stakeholder_wbs_raci.wbs_item_id AND p.tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid)));

ALTER TABLE public.ai_usage_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ai_usage_logs FORCE ROW LEVEL SECURITY;
CREATE POLICY ai_usage_logs_select ON public.ai_usage_logs FOR SELECT TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY ai_usage_logs_insert ON public.ai_usage_logs FOR INSERT TO app_user
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY ai_usage_logs_update ON public.ai_usage_logs FOR UPDATE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY ai_usage_logs_delete ON public.ai_usage_logs FOR DELETE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));

ALTER TABLE public.audit_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.audit_logs FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_logs_select ON public.audit_logs FOR SELECT TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY audit_logs_insert ON public.audit_logs FOR INSERT TO app_user
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY audit_logs_update ON public.audit_logs FOR UPDATE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY audit_logs_delete ON public.audit_logs FOR DELETE TO app_user
  USING (tenant_id = (SELECT NULLIF(pg_catalog.current_setting('app.tenant_id', true), '')::uuid));
