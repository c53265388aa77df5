-- Opens the tables again, as they were after 001.

DROP POLICY audit_logs_select ON public.audit_logs;
DROP POLICY audit_logs_insert ON public.audit_logs;
DROP POLICY audit_logs_update ON public.audit_logs;
DROP POLICY audit_logs_delete ON public.audit_logs;
ALTER TABLE public.audit_logs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.audit_logs DISABLE ROW LEVEL SECURITY;

DROP POLICY ai_usage_logs_select ON public.ai_usage_logs;
DROP POLICY ai_usage_logs_insert ON public.ai_usage_logs;
DROP POLICY ai_usage_logs_update ON public.ai_usage_logs;
DROP POLICY ai_usage_logs_delete ON public.ai_usage_logs;
ALTER TABLE public.ai_usage_logs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.ai_usage_logs DISABLE ROW LEVEL SECURITY;

DROP POLICY stakeholder_wbs_raci_select ON public.stakeholder_wbs_raci;
DROP POLICY stakeholder_wbs_raci_insert ON public.stakeholder_wbs_raci;
DROP POLICY stakeholder_wbs_raci_update ON public.stakeholder_wbs_raci;
DROP POLICY stakeholder_wbs_raci_delete ON public.stakeholder_wbs_raci;
ALTER TABLE public.stakeholder_wbs_raci NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.stakeholder_wbs_raci DISABLE ROW LEVEL SECURITY;

DROP POLICY bom_items_select ON public.bom_items;
DROP POLICY bom_items_insert ON public.bom_items;
DROP POLICY bom_items_update ON public.bom_items;
DROP POLICY bom_items_delete ON public.bom_items;
ALTER TABLE public.bom_items NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.bom_items DISABLE ROW LEVEL SECURITY;

DROP POLICY wbs_items_select ON public.wbs_items;
DROP POLICY wbs_items_insert ON public.wbs_items;
DROP POLICY wbs_items_update ON public.wbs_items;
DROP POLICY wbs_items_delete ON public.wbs_items;
ALTER TABLE public.wbs_items NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.wbs_items DISABLE ROW LEVEL SECURITY;

DROP POLICY stakeholders_select ON public.stakeholders;
DROP POLICY stakeholders_insert ON public.stakeholders;
DROP POLICY stakeholders_update ON public.stakeholders;
DROP POLICY stakeholders_delete ON public.stakeholders;
ALTER TABLE public.stakeholders NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.stakeholders DISABLE ROW LEVEL SECURITY;

DROP POLICY extractions_select ON public.extractions;
DROP POLICY extractions_insert ON public.extractions;
DROP POLICY extractions_update ON public.extractions;
DROP POLICY extractions_delete ON public.extractions;
ALTER TABLE public.extractions NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.extractions DISABLE ROW LEVEL SECURITY;

DROP POLICY alerts_select ON public.alerts;
DROP POLICY alerts_insert ON public.alerts;
DROP POLICY alerts_update ON public.alerts;
DROP POLICY alerts_delete ON public.alerts;
ALTER TABLE public.alerts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.alerts DISABLE ROW LEVEL SECURITY;

DROP POLICY analyses_select ON public.analyses;
DROP POLICY analyses_insert ON public.analyses;
DROP POLICY analyses_update ON public.analyses;
DROP POLICY analyses_delete ON public.analyses;
ALTER TABLE public.analyses NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.analyses DISABLE ROW LEVEL SECURITY;

DROP POLICY clauses_select ON public.clauses;
DROP POLICY clauses_insert ON public.clauses;
DROP POLICY clauses_update ON public.clauses;
DROP POLICY clauses_delete ON public.clauses;
ALTER TABLE public.clauses NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.clauses DISABLE ROW LEVEL SECURITY;

DROP POLICY documents_select ON public.documents;
DROP POLICY documents_insert ON public.documents;
DROP POLICY documents_update ON public.documents;
DROP POLICY documents_delete ON public.documents;
ALTER TABLE public.documents NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.documents DISABLE ROW LEVEL SECURITY;

DROP POLICY projects_select ON public.projects;
DROP POLICY projects_insert ON public.projects;
DROP POLICY projects_update ON public.projects;
DROP POLICY projects_delete ON public.projects;
ALTER TABLE public.projects NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.projects DISABLE ROW LEVEL SECURITY;

DROP POLICY users_select ON public.users;
DROP POLICY users_insert ON public.users;
DROP POLICY users_update ON public.users;
DROP POLICY users_delete ON public.users;
ALTER TABLE public.users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.users DISABLE ROW LEVEL SECURITY;

DROP POLICY tenants_select ON public.tenants;
DROP POLICY tenants_insert ON public.tenants;
DROP POLICY tenants_update ON public.tenants;
DROP POLICY tenants_delete ON public.tenants;
ALTER TABLE public.tenants NO FORCE ROW LEVEL SECURITY;
ALTER TABLE public.tenants DISABLE ROW LEVEL SECURITY;
