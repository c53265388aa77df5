-- A text key in a setting, compared without a cast; no tenants table; tables that fail open beside their closed twins.
-- roles: desk_app
-- leaks: public.tickets_open; public.replies_open; public.agents_open
create table public.tickets (workspace text not null check (workspace ~ '^[a-z0-9-]{3,20}$'), no int not null, subject text not null, priority text not null check (priority in ('low','high')), primary key (workspace, no));
create table public.replies (id uuid primary key default gen_random_uuid(), workspace text not null, ticket_no int not null, body text not null, foreign key (workspace, ticket_no) references public.tickets);
create table public.agents (id int primary key, workspace text not null, email text not null unique);
create table public.tickets_open (like public.tickets including all); create table public.replies_open (like public.replies including all); create table public.agents_open (like public.agents including all);
do $$ declare t text; begin foreach t in array array['tickets','replies','agents','tickets_open','replies_open','agents_open'] loop
  execute format('alter table public.%I enable row level security; alter table public.%I force row level security', t, t); end loop; end $$;
create policy w on public.tickets using (workspace = current_setting('desk.workspace', true));
create policy w on public.replies using (workspace = current_setting('desk.workspace', true));
create policy w on public.agents using (workspace = current_setting('desk.workspace', true));
create policy w on public.tickets_open using (workspace = coalesce(nullif(current_setting('desk.workspace', true), ''), workspace));
create policy w on public.replies_open using (current_setting('desk.workspace', true) is null or workspace = current_setting('desk.workspace', true));
create policy w on public.agents_open for select using (workspace = current_setting('desk.workspace', true));
create policy u on public.agents_open for update using (workspace = current_setting('desk.workspace', true)) with check (true);
grant select, insert, update, delete on all tables in schema public to desk_app;
