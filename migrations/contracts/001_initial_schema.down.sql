-- Takes the whole application away. Data goes with it: below 001 there is nothing to keep it in.
DROP TABLE public.audit_logs, public.ai_usage_logs, public.stakeholder_wbs_raci, public.bom_items, public.wbs_items,
  public.stakeholders, public.extractions, public.alerts, public.analyses, public.clauses, public.documents,
  public.projects, public.users, public.tenants;
DROP TYPE public.raci_role, public.alert_severity, public.analysis_state, public.clause_kind,
  public.document_kind, public.member_role;
