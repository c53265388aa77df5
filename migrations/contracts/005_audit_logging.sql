-- Every change of users, projects, documents and alerts leaves a line in audit_logs: who, what, which row, which columns. Values
-- are not copied: the audit log must not become a second place where contracts can be read.

-- SECURITY DEFINER, because the application may not be trusted to write its own audit lines; hence the pinned search_path.
CREATE FUNCTION public.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  row_now jsonb;
  row_before jsonb;
  tenant uuid;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    row_before := pg_catalog.to_jsonb(OLD);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    row_now := pg_catalog.to_jsonb(NEW);
  END IF;

  IF TG_TABLE_NAME = 'documents' THEN
    SELECT p.tenant_id INTO tenant FROM public.projects p WHERE p.id = (COALESCE(row_now, row_before) ->> 'project_id')::uuid;
  ELSE
    tenant := (COALESCE(row_now, row_before) ->> 'tenant_id')::uuid;
  END IF;

  -- When a tenant is deleted its rows go with it, and its audit lines too: nothing to write then.
  INSERT INTO public.audit_logs (tenant_id, actor, action, table_name, row_key, changed_columns)
  SELECT t.id, session_user, pg_catalog.lower(TG_OP), TG_TABLE_NAME, COALESCE(row_now, row_before) ->> 'id',
    COALESCE((
      SELECT pg_catalog.array_agg(c.key ORDER BY c.key) FROM pg_catalog.jsonb_each(row_now) AS c
      WHERE TG_OP = 'UPDATE' AND c.value IS DISTINCT FROM row_before -> c.key), '{}')
  FROM public.tenants t
  WHERE t.id = tenant;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.record_change() FROM PUBLIC;

CREATE TRIGGER users_audit AFTER INSERT OR UPDATE OR DELETE ON public.users
  FOR EACH ROW EXECUTE FUNCTION public.record_change();
CREATE TRIGGER projects_audit AFTER INSERT OR UPDATE OR DELETE ON public.projects
  FOR EACH ROW EXECUTE FUNCTION public.record_change();
CREATE TRIGGER documents_audit AFTER INSERT OR UPDATE OR DELETE ON public.documents
  FOR EACH ROW EXECUTE FUNCTION public.record_change();
CREATE TRIGGER alerts_audit AFTER INSERT OR UPDATE OR DELETE ON public.alerts
  FOR EACH ROW EXECUTE FUNCTION public.record_change();
