-- Stops recording. The lines already written stay.
DROP TRIGGER alerts_audit ON public.alerts;
DROP TRIGGER documents_audit ON public.documents;
DROP TRIGGER projects_audit ON public.projects;
DROP TRIGGER users_audit ON public.users;
DROP FUNCTION public.record_change();
