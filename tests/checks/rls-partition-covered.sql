-- subject: public.events_2026
-- parameters: {"tables": ["public.events"], "roles": ["app_user"]}
-- setup
CREATE TABLE public.events (tenant_id int NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE public.events_2026 PARTITION OF public.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
ALTER TABLE public.events ENABLE ROW LEVEL SECURITY;
-- defect
GRANT SELECT ON public.events_2026 TO app_user;
-- repair
ALTER TABLE public.events_2026 ENABLE ROW LEVEL SECURITY;
