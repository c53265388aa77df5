-- Labels: a platform's administrators in profiles, an organisation's in memberships; one policy lets any organisation's admin in.
-- uses: supabase
-- roles: anon, authenticated
-- leaks: public.reports
create type public.app_role as enum ('super_admin', 'support', 'user');
create table public.accounts (id uuid primary key default gen_random_uuid(), name text not null, kind text not null default 'team' check (kind in ('personal', 'team')), is_active boolean not null default true);
create table public.account_users (account_id uuid not null references public.accounts, user_id uuid not null references auth.users, account_role text not null check (account_role in ('owner', 'admin', 'member')), primary key (user_id, account_id));
create table public.user_roles (id uuid primary key default gen_random_uuid(), user_id uuid not null references auth.users, role public.app_role not null default 'user', unique (user_id, role));
create table public.invoices (id uuid primary key default gen_random_uuid(), account_id uuid not null references public.accounts, status text not null default 'draft' check (status in ('draft', 'sent', 'paid')), cents bigint not null);
create table public.reports (id uuid primary key default gen_random_uuid(), account_id uuid not null references public.accounts, body text);
create table public.feature_flags (id uuid primary key default gen_random_uuid(), account_id uuid not null references public.accounts, flag text not null, enabled boolean not null default false, unique (account_id, flag));
create table public.events (id bigserial primary key, account_id uuid not null references public.accounts, user_id uuid references auth.users, name text not null, visibility text not null default 'private' check (visibility in ('public', 'private')));
create function public.has_role(u uuid, r public.app_role) returns boolean language sql stable security definer set search_path = public as $$ select exists (select 1 from user_roles where user_id = u and role = r) $$;
create function public.has_role_on_account(a uuid, r text default null) returns boolean language sql stable security definer set search_path = public as $$
  select exists (select 1 from account_users au where au.user_id = auth.uid() and au.account_id = a and (au.account_role = r or r is null)) $$;
create function public.get_accounts_with_role(passed_role text default null) returns setof uuid language sql stable security definer set search_path = public as $$
  select account_id from account_users au where au.user_id = auth.uid() and (passed_role = au.account_role or passed_role is null) $$;
alter table public.accounts enable row level security; alter table public.account_users enable row level security; alter table public.user_roles enable row level security; alter table public.invoices enable row level security; alter table public.reports enable row level security; alter table public.feature_flags enable row level security; alter table public.events enable row level security;
create policy a on public.accounts for select to authenticated using (public.has_role_on_account(id) or public.has_role(auth.uid(), 'super_admin'));
create policy au on public.account_users for select to authenticated using (user_id = auth.uid() or public.has_role_on_account(account_id, 'owner'));
create policy ai on public.account_users for insert to authenticated with check (public.has_role_on_account(account_id, 'owner'));
create policy ur on public.user_roles for select to authenticated using (user_id = auth.uid());
create function public.is_active_account(a uuid) returns boolean language sql stable security definer set search_path = public as $$ select is_active from accounts where id = a $$;
create policy i on public.invoices to authenticated using (account_id in (select public.get_accounts_with_role()) and public.is_active_account(account_id));
create policy ia on public.invoices for select to authenticated using (public.has_role(auth.uid(), 'support'));
create policy r on public.reports for select to authenticated using (public.has_role_on_account(account_id) or exists (select 1 from public.account_users au where au.user_id = auth.uid() and au.account_role = 'admin'));
create policy f on public.feature_flags for select to authenticated using (public.has_role_on_account(account_id));
create policy fw on public.feature_flags for update to authenticated using (account_id in (select public.get_accounts_with_role('owner'))) with check (account_id in (select public.get_accounts_with_role('owner')));
create policy e on public.events for select to authenticated using (public.has_role_on_account(account_id) or visibility = 'public');
create policy ei on public.events for insert to authenticated with check (public.has_role_on_account(account_id) and user_id = auth.uid());
