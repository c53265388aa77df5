-- A starter kit's accounts in a schema of their own: personal and team accounts, roles asked by functions with defaults, protected fields.
-- uses: supabase
-- leaks: public.notes
-- global: kit.config
create schema kit; grant usage on schema kit to authenticated, service_role;
create type kit.account_role as enum ('owner','member');
create type kit.invitation_type as enum ('one_time','24_hour');
create type kit.subscription_status as enum ('trialing','active','canceled','incomplete','past_due','unpaid');
create table kit.config (enable_team_accounts boolean default true, enable_personal_account_billing boolean default true, billing_provider text default 'stripe');
insert into kit.config values (true, true, 'stripe');
create table kit.accounts (id uuid unique not null default extensions.uuid_generate_v4() primary key, primary_owner_user_id uuid references auth.users not null default auth.uid(),
  name text, slug text unique, personal_account boolean default false not null, updated_at timestamptz, created_at timestamptz, created_by uuid references auth.users, updated_by uuid references auth.users,
  private_metadata jsonb default '{}'::jsonb, public_metadata jsonb default '{}'::jsonb,
  constraint slug_null_if_personal check ((personal_account = true and slug is null) or (personal_account = false and slug is not null)));
create table kit.account_user (user_id uuid references auth.users on delete cascade not null, account_id uuid references kit.accounts on delete cascade not null, account_role kit.account_role not null, primary key (user_id, account_id));
create table kit.invitations (id uuid unique not null default extensions.uuid_generate_v4() primary key, account_role kit.account_role not null, account_id uuid references kit.accounts (id) on delete cascade not null,
  token text unique not null default replace(gen_random_uuid()::text, '-', ''), invited_by_user_id uuid references auth.users not null, account_name text, updated_at timestamptz, created_at timestamptz, invitation_type kit.invitation_type not null);
create table kit.billing_customers (account_id uuid references kit.accounts (id) on delete cascade not null, id text primary key, email text, active boolean, provider text);
create table kit.billing_subscriptions (id text primary key, account_id uuid references kit.accounts (id) on delete cascade not null, billing_customer_id text references kit.billing_customers on delete cascade not null,
  status kit.subscription_status, metadata jsonb, price_id text, plan_name text, quantity integer, cancel_at_period_end boolean, created timestamptz default timezone('utc', now()) not null, provider text);
create table public.notes (id uuid primary key default gen_random_uuid(), account_id uuid not null references kit.accounts, title text not null, body text, visibility text not null default 'account' check (visibility in ('account','private','public')), owner_id uuid references auth.users default auth.uid());
create table public.folders (id uuid primary key default gen_random_uuid(), account_id uuid not null references kit.accounts, parent uuid references public.folders, path text not null);
create table public.note_folders (note_id uuid references public.notes on delete cascade, folder_id uuid references public.folders on delete cascade, primary key (note_id, folder_id));
create function kit.is_set(field_name text) returns boolean language plpgsql as $$ declare r boolean; begin execute format('select %I from kit.config limit 1', field_name) into r; return r; end $$;
create function kit.has_role_on_account(account_id uuid, account_role kit.account_role default null) returns boolean language sql security definer set search_path = public as $$
 select exists (select 1 from kit.account_user wu where wu.user_id = auth.uid() and wu.account_id = has_role_on_account.account_id and (wu.account_role = has_role_on_account.account_role or has_role_on_account.account_role is null)) $$;
create function kit.get_accounts_with_role(passed_in_role kit.account_role default null) returns setof uuid language sql security definer set search_path = public as $$
 select account_id from kit.account_user wu where wu.user_id = auth.uid() and (wu.account_role = passed_in_role or passed_in_role is null) $$;
create function kit.add_owner() returns trigger language plpgsql security definer set search_path = public as $$ begin if new.primary_owner_user_id = auth.uid() then insert into kit.account_user (account_id, user_id, account_role) values (NEW.id, auth.uid(), 'owner'); end if; return NEW; end $$;
create trigger add_owner after insert on kit.accounts for each row execute function kit.add_owner();
create function kit.protect_account_fields() returns trigger language plpgsql as $$ begin
  if current_user in ('authenticated','anon') then
    if NEW.id <> OLD.id or NEW.personal_account <> OLD.personal_account or NEW.primary_owner_user_id <> OLD.primary_owner_user_id then raise exception 'You do not have permission to update this field'; end if; end if; return NEW; end $$;
create trigger protect before update on kit.accounts for each row execute function kit.protect_account_fields();
create function kit.run_new_user_setup() returns trigger language plpgsql security definer set search_path = public as $$ begin
  insert into kit.accounts (name, primary_owner_user_id, personal_account, id) values (split_part(NEW.email,'@',1), NEW.id, true, NEW.id); insert into kit.account_user values (NEW.id, NEW.id, 'owner'); return NEW; end $$;
create trigger on_user after insert on auth.users for each row execute function kit.run_new_user_setup();
create function kit.set_times() returns trigger language plpgsql as $$ begin if tg_op = 'INSERT' then new.created_at = now(); end if; new.updated_at = now(); return new; end $$;
create trigger times before insert or update on kit.accounts for each row execute function kit.set_times();
do $$ declare t record; begin for t in select schemaname, tablename from pg_tables where schemaname in ('kit') or tablename in ('notes','folders','note_folders') loop execute format('alter table %I.%I enable row level security', t.schemaname, t.tablename); end loop; end $$;
grant select, insert, update, delete on all tables in schema kit to authenticated, service_role; grant execute on all functions in schema kit to authenticated;
create policy cfg on kit.config for select to authenticated using (true);
create policy "users can view their own account_users" on kit.account_user for select to authenticated using (user_id = auth.uid());
create policy "users can view their teammates" on kit.account_user for select to authenticated using (kit.has_role_on_account(account_id) = true);
create policy "Account users can be deleted by owners except primary account owner" on kit.account_user for delete to authenticated using (kit.has_role_on_account(account_id, 'owner') = true and user_id != (select primary_owner_user_id from kit.accounts where account_id = accounts.id));
create policy "Accounts are viewable by members" on kit.accounts for select to authenticated using (kit.has_role_on_account(id) = true);
create policy "Accounts are viewable by primary owner" on kit.accounts for select to authenticated using (primary_owner_user_id = auth.uid());
create policy "Team accounts can be created by any user" on kit.accounts for insert to authenticated with check (kit.is_set('enable_team_accounts') = true and personal_account = false);
create policy "Accounts can be edited by owners" on kit.accounts for update to authenticated using (kit.has_role_on_account(id, 'owner') = true);
create policy "Invitations viewable by account owners" on kit.invitations for select to authenticated using (created_at > (now() - interval '24 hours') and kit.has_role_on_account(account_id, 'owner') = true);
create policy "Invitations can be created by account owners" on kit.invitations for insert to authenticated with check (kit.is_set('enable_team_accounts') = true and (select personal_account from kit.accounts where id = account_id) = false and kit.has_role_on_account(account_id, 'owner') = true);
create policy "Invitations can be deleted by account owners" on kit.invitations for delete to authenticated using (kit.has_role_on_account(account_id, 'owner') = true);
create policy "Can only view own billing customer data." on kit.billing_customers for select using (kit.has_role_on_account(account_id) = true);
create policy "Can only view own billing subscription data." on kit.billing_subscriptions for select using (kit.has_role_on_account(account_id) = true);
create policy n_read on public.notes for select to authenticated using (visibility = 'public' or account_id in (select kit.get_accounts_with_role()));
create policy n_write on public.notes for insert to authenticated with check (account_id in (select kit.get_accounts_with_role()));
create policy n_upd on public.notes for update to authenticated using (account_id in (select kit.get_accounts_with_role())) with check (true);
create policy n_del on public.notes for delete to authenticated using (account_id in (select kit.get_accounts_with_role('owner')));
create policy f on public.folders for all to authenticated using (account_id in (select kit.get_accounts_with_role()));
create policy nf on public.note_folders for all to authenticated using (exists (select 1 from public.notes n where n.id = note_id) and exists (select 1 from public.folders f where f.id = folder_id));
