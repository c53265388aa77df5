-- Triggers that stamp the tenant, that raise, that write elsewhere as definer; rules on what may change.
-- roles: crm_app
create table public.tenants (id uuid primary key, name text not null);
create table public.contacts (id uuid primary key default gen_random_uuid(), tenant_id uuid not null references public.tenants, name text not null);
create table public.invoices (id bigint generated always as identity primary key, tenant_id uuid not null references public.tenants, contact_id uuid references public.contacts, total numeric not null check (total >= 0), locked boolean not null default false);
create table public.ledger_lines (id bigint generated always as identity primary key, tenant_id uuid not null references public.tenants, invoice_id bigint not null references public.invoices, amount numeric not null);
create table public.history (id bigint generated always as identity primary key, tenant_id uuid not null, what text not null, at timestamptz not null default now());
create table public.counters (tenant_id uuid primary key references public.tenants, contacts int not null default 0);
create function public.tid() returns uuid language sql stable as $$ select nullif(current_setting('crm.tenant_id', true), '')::uuid $$;
create function public.stamp() returns trigger language plpgsql as $$ begin new.tenant_id := public.tid(); return new; end $$;
create trigger stamp before insert on public.contacts for each row execute function public.stamp();
create function public.append_only() returns trigger language plpgsql as $$ begin raise exception 'append only'; end $$;
create trigger keep before update or delete on public.ledger_lines for each row execute function public.append_only();
create function public.unlocked() returns trigger language plpgsql as $$ begin if old.tenant_id is distinct from new.tenant_id then raise exception 'tenant is fixed'; end if; return new; end $$;
create trigger fixed before update on public.invoices for each row execute function public.unlocked();
create function public.note() returns trigger language plpgsql security definer set search_path = public as $$ begin insert into history (tenant_id, what) values (new.tenant_id, tg_table_name); return new; end $$;
create trigger note after insert on public.invoices for each row execute function public.note();
create function public.count_contacts() returns trigger language plpgsql security definer set search_path = public as $$
begin insert into counters values (new.tenant_id, 1) on conflict (tenant_id) do update set contacts = counters.contacts + 1; return new; end $$;
create trigger count_contacts after insert on public.contacts for each row execute function public.count_contacts();
do $$ declare t text; begin foreach t in array array['tenants','contacts','invoices','ledger_lines','history','counters'] loop
  execute format('alter table public.%I enable row level security; alter table public.%I force row level security', t, t); end loop; end $$;
create policy t on public.tenants for select using (id = public.tid());
create policy c on public.contacts using (tenant_id = public.tid());
create policy i on public.invoices using (tenant_id = public.tid());
create policy l on public.ledger_lines using (tenant_id = public.tid());
create policy h on public.history for select using (tenant_id = public.tid());
create policy k on public.counters for select using (tenant_id = public.tid());
grant select, insert, update, delete on all tables in schema public to crm_app; grant usage on all sequences in schema public to crm_app;
