-- A tenant id among the claims (app_metadata), permissive policies that are true beside a restrictive one, a claim hook's role.
-- uses: supabase
-- roles: anon, authenticated
create schema app; grant usage on schema app to authenticated;
alter default privileges in schema app grant select, insert, update, delete on tables to authenticated;
create function app.tenant() returns uuid language sql stable as $$ select ((auth.jwt() -> 'app_metadata') ->> 'tenant_id')::uuid $$;
create table app.tenants (id uuid primary key, name text not null, settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'));
create table app.customers (id uuid primary key default gen_random_uuid(), tenant_id uuid not null references app.tenants, email text not null, vat text check (vat ~ '^[A-Z]{2}[0-9]{8,12}$'), unique (tenant_id, email));
create table app.orders (tenant_id uuid not null references app.tenants, number int not null, customer_id uuid not null references app.customers, placed timestamptz not null default now(), total money not null, primary key (tenant_id, number));
create table app.order_lines (tenant_id uuid not null, number int not null, line smallint not null check (line > 0), sku text not null, quantity numeric not null check (quantity > 0), primary key (tenant_id, number, line), foreign key (tenant_id, number) references app.orders on delete cascade);
create table app.stock (tenant_id uuid not null default app.tenant() references app.tenants, sku text not null, warehouse int not null, held int not null default 0 check (held >= 0), during tstzrange not null, primary key (tenant_id, sku, warehouse));
create table app.bookings (id bigint generated always as identity primary key, tenant_id uuid not null references app.tenants, room int not null, during tsrange not null check (not isempty(during) and lower(during) < upper(during)));
alter table app.tenants enable row level security; alter table app.customers enable row level security; alter table app.orders enable row level security; alter table app.order_lines enable row level security; alter table app.stock enable row level security; alter table app.bookings enable row level security;
create policy t on app.tenants for select to authenticated using (id = app.tenant());
create policy allow on app.customers to authenticated using (true) with check (true);
create policy "only" on app.customers as restrictive to authenticated using (tenant_id = app.tenant()) with check (tenant_id = app.tenant());
create policy allow on app.orders to authenticated using (true) with check (true);
create policy "only" on app.orders as restrictive to public using (tenant_id = (auth.jwt() -> 'app_metadata' ->> 'tenant_id')::uuid);
create policy lines on app.order_lines to authenticated using (tenant_id = ((current_setting('request.jwt.claims', true)::json -> 'app_metadata') ->> 'tenant_id')::uuid);
create policy stock on app.stock to authenticated using (tenant_id::text = (auth.jwt() #>> '{app_metadata,tenant_id}'));
create policy book on app.bookings to authenticated using (tenant_id = app.tenant() and coalesce(auth.jwt() ->> 'aal', 'aal1') in ('aal1', 'aal2'));
