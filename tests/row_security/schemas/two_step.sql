-- The row a tenant is derived from may be edited: profiles and memberships open, their twins closed.
-- uses: supabase
-- roles: anon, authenticated
-- leaks: public.profiles; public.memberships
create table public.companies (id uuid primary key default gen_random_uuid(), name text not null);
create table public.profiles (id uuid primary key references auth.users, company_id uuid not null references public.companies, nickname text, role text not null default 'employee' check (role in ('admin','employee')));
create table public.memberships (user_id uuid not null references auth.users, company_id uuid not null references public.companies, since timestamptz default now(), primary key (user_id, company_id));
create table public.profiles_kept (id uuid primary key references auth.users, company_id uuid not null references public.companies, nickname text);
create table public.deals (id bigserial primary key, company_id uuid not null references public.companies, title text not null, value numeric(10,2));
create table public.deal_notes (id bigserial primary key, deal_id bigint not null references public.deals on delete cascade, body text not null);
create table public.files (id uuid primary key default gen_random_uuid(), company_id uuid not null references public.companies, path text not null);
create function public.my_company() returns uuid language sql stable security definer set search_path = '' as $$ select company_id from public.profiles where id = auth.uid() $$;
create function public.my_companies() returns setof uuid language sql stable security definer set search_path = '' as $$ select company_id from public.memberships where user_id = auth.uid() $$;
alter table public.companies enable row level security; alter table public.profiles enable row level security; alter table public.memberships enable row level security; alter table public.profiles_kept enable row level security; alter table public.deals enable row level security; alter table public.deal_notes enable row level security; alter table public.files enable row level security;
create policy c on public.companies for select to authenticated using (id = public.my_company() or id in (select public.my_companies()));
create policy p on public.profiles for select to authenticated using (id = auth.uid());
create policy pu on public.profiles for update to authenticated using (id = auth.uid()) with check (id = auth.uid());
create policy m on public.memberships for select to authenticated using (user_id = auth.uid());
create policy mi on public.memberships for insert to authenticated with check (user_id = auth.uid());
create policy k on public.profiles_kept for select to authenticated using (id = auth.uid());
create policy ku on public.profiles_kept for update to authenticated using (id = auth.uid()) with check (id = auth.uid() and company_id = (select p.company_id from public.profiles p where p.id = auth.uid()));
create policy d on public.deals to authenticated using (company_id = public.my_company());
create policy dn on public.deal_notes to authenticated using (exists (select 1 from public.deals d where d.id = deal_id and d.company_id = public.my_company()));
create policy f on public.files to authenticated using (company_id in (select public.my_companies())) with check (company_id in (select public.my_companies()));
