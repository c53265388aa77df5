-- Global tables, tables with global rows (tenant NULL) beside tenants' own, optional tenants, and one whose orphans anybody may claim.
-- roles: lib_app
-- global: public.currencies; public.holidays
-- leaks: public.snippets
create table public.tenants (id bigint primary key, name text not null);
create table public.currencies (code char(3) primary key, digits smallint not null default 2);
create table public.holidays (day date primary key, name text);
create table public.templates (id bigint primary key, tenant_id bigint references public.tenants, body text not null);
create table public.settings (tenant_id bigint references public.tenants, name text not null, value text, unique (tenant_id, name));
create table public.documents (id bigint primary key, tenant_id bigint not null references public.tenants, template_id bigint references public.templates, currency char(3) references public.currencies, title text not null);
create table public.snippets (id bigint primary key, tenant_id bigint references public.tenants, body text);
insert into public.tenants values (1, 'first'); insert into public.templates values (1, null, 'for all'), (2, 1, 'own'); insert into public.currencies values ('EUR', 2);
alter table public.tenants enable row level security; alter table public.currencies enable row level security; alter table public.holidays enable row level security; alter table public.templates enable row level security; alter table public.settings enable row level security; alter table public.documents enable row level security; alter table public.snippets enable row level security;
create policy t on public.tenants for select using (id = nullif(current_setting('app.tenant_id', true), '')::bigint);
create policy c on public.currencies for select using (true);
create policy h on public.holidays for select using (true);
create policy g on public.templates for select using (tenant_id is null or tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
create policy gw on public.templates for insert with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
create policy gu on public.templates for update using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
create policy s on public.settings using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
create policy d on public.documents using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
create policy n on public.snippets using (tenant_id is null or tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
grant select, insert, update, delete on all tables in schema public to lib_app;
