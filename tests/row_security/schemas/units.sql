-- No tenant by name: people hold grants on units of a tree, with levels; a closure table; a recursive query inside a policy.
-- roles: tree_app
-- leaks: public.assets
create domain public.email as text check (value ~ '^[a-zA-Z0-9.!#$%&''*+/=?^_`{|}~-]+@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$');
create domain public.positive_money as numeric(12,2) check (value >= 0) not null;
create type public.unit_kind as enum ('group','company','department','team');
create table public.units (unit_id uuid primary key default gen_random_uuid(), parent_id uuid references public.units, kind public.unit_kind not null, path text not null unique, name text not null check (btrim(name) <> ''));
create table public.unit_closure (ancestor uuid not null references public.units on delete cascade, descendant uuid not null references public.units on delete cascade, depth int not null check (depth >= 0), primary key (ancestor, descendant));
create table public.people (person_id uuid primary key default gen_random_uuid(), email public.email not null unique, home_unit uuid not null references public.units(unit_id));
create table public.grants (person_id uuid not null references public.people, unit_id uuid not null references public.units, level int not null default 1 check (level in (1,2,3)), granted tstzrange not null default tstzrange(now(), null), primary key (person_id, unit_id));
create table public.budgets (budget_id bigint generated always as identity primary key, unit_id uuid not null references public.units, fiscal_year int4range not null, amount public.positive_money, spent public.positive_money default 0, remaining numeric generated always as (amount - spent) stored);
create table public.assets (asset_id bigint generated always as identity primary key, owner_unit uuid not null references public.units, tag text not null, bought date not null default current_date, sold date, check (sold > bought), unique (owner_unit, tag));
create table public.asset_moves (asset_id bigint not null references public.assets, seq int not null, from_unit uuid references public.units, to_unit uuid not null references public.units, moved_by uuid not null references public.people, at timestamptz not null default now(), primary key (asset_id, seq), check (from_unit is distinct from to_unit));
create function public.me() returns uuid language sql stable as $$ select nullif(current_setting('tree.person', true), '')::uuid $$;
alter table public.units enable row level security; alter table public.unit_closure enable row level security; alter table public.people enable row level security; alter table public.grants enable row level security; alter table public.budgets enable row level security; alter table public.assets enable row level security; alter table public.asset_moves enable row level security;
create function public.visible_units() returns setof uuid language sql stable security definer set search_path = public as $$
 with recursive v as (select unit_id from grants where person_id = me() and now() <@ granted union select u.unit_id from units u join v on u.parent_id = v.unit_id) select unit_id from v $$;
create policy u on public.units for select using (unit_id in (select public.visible_units()));
create policy uc on public.unit_closure for select using (ancestor in (select public.visible_units()) and descendant in (select public.visible_units()));
create policy p on public.people for select using (person_id = public.me() or home_unit in (select public.visible_units()));
create policy pu on public.people for update using (person_id = public.me()) with check (person_id = public.me() and home_unit in (select public.visible_units()));
create policy g on public.grants for select using (person_id = public.me() or unit_id in (select public.visible_units()));
create policy b on public.budgets using (exists (with recursive up as (select u.unit_id, u.parent_id from public.units u where u.unit_id = budgets.unit_id union all select u.unit_id, u.parent_id from public.units u join up on u.unit_id = up.parent_id) select 1 from up join public.grants g on g.unit_id = up.unit_id where g.person_id = public.me()));
create policy a on public.assets for select using (owner_unit in (select public.visible_units()));
create policy aw on public.assets for update using (exists (select 1 from public.grants g where g.person_id = public.me() and g.level >= 2)) with check (exists (select 1 from public.grants g where g.person_id = public.me() and g.level >= 2));
create policy am on public.asset_moves for select using (from_unit in (select public.visible_units()) or to_unit in (select public.visible_units()));
create policy ami on public.asset_moves for insert with check (moved_by = public.me() and exists (select 1 from public.assets a where a.asset_id = asset_moves.asset_id) and to_unit in (select public.visible_units()));
grant select, insert, update, delete on all tables in schema public to tree_app;
