-- Organisations below organisations; teams, and a recursive helper; the member reaches its own organisation and those below it.
-- roles: nest_app
create table public.organisations (id int primary key, parent_id int references public.organisations, name text not null);
create table public.users (id int primary key, organisation_id int not null references public.organisations, email text not null unique, role text not null default 'member' check (role in ('superuser','manager','member')));
create table public.teams (id int primary key, organisation_id int not null references public.organisations, lead_id int references public.users);
create table public.team_members (team_id int not null references public.teams, user_id int not null references public.users, primary key (team_id, user_id));
create table public.boards (id int primary key, team_id int not null references public.teams, title text not null, unique (team_id, title));
create table public.cards (id int primary key, board_id int not null references public.boards, assignee_id int references public.users, rank numeric not null, checklist jsonb not null default '[]' check (jsonb_typeof(checklist) = 'array'));
create function public.uid() returns int language sql stable as $$ select nullif(current_setting('app.user_id', true), '')::int $$;
create function public.my_organisations() returns setof int language sql stable security definer set search_path = public as $$
  with recursive down as (select organisation_id as id from users where id = uid() union select o.id from organisations o join down d on o.parent_id = d.id) select id from down $$;
create function public.my_teams() returns setof int language sql stable security definer set search_path = public as $$ select t.id from teams t where t.organisation_id in (select my_organisations()) $$;
alter table public.organisations enable row level security; alter table public.users enable row level security; alter table public.teams enable row level security; alter table public.team_members enable row level security; alter table public.boards enable row level security; alter table public.cards enable row level security;
create policy o on public.organisations for select using (id in (select public.my_organisations()));
create policy u on public.users for select using (organisation_id in (select public.my_organisations()));
create policy uu on public.users for update using (id = public.uid()) with check (id = public.uid() and organisation_id in (select public.my_organisations()));
create policy t on public.teams using (organisation_id in (select public.my_organisations()));
create policy tm on public.team_members using (team_id in (select public.my_teams()));
create policy b on public.boards using (team_id in (select public.my_teams()));
create policy c on public.cards using (exists (select 1 from public.boards b where b.id = board_id and b.team_id in (select public.my_teams())));
grant select, insert, update, delete on all tables in schema public to nest_app;
