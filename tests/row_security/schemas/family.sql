-- A household by a column of the profile, which its owner may change; writes that ask only whether a row has a household.
-- uses: supabase
-- leaks: public.profiles; public.recipes
create table public.families (id uuid primary key default gen_random_uuid(), name text not null, invite_code char(6) not null unique default upper(substr(md5(random()::text), 1, 6)), created_by uuid references auth.users);
create table public.profiles (user_id uuid primary key references auth.users on delete cascade, family_id uuid references public.families, display_name text not null, birthday date, role text default 'parent' check (role in ('parent','child','admin')), avatar text);
create table public.events (id uuid primary key default gen_random_uuid(), family_id uuid not null references public.families on delete cascade, title text not null, starts_at timestamptz not null, ends_at timestamptz not null, rrule text, created_by uuid not null references public.profiles(user_id), check (ends_at > starts_at));
create table public.event_attendees (event_id uuid references public.events on delete cascade, user_id uuid references public.profiles on delete cascade, reply text check (reply in ('yes','no','maybe')), primary key (event_id, user_id));
create table public.lists (id uuid primary key default gen_random_uuid(), family_id uuid not null references public.families on delete cascade, name text not null, kind text not null default 'shopping');
create table public.list_items (id bigint generated always as identity primary key, list_id uuid not null references public.lists on delete cascade, what text not null, done boolean not null default false, position double precision not null default 0, assigned_to uuid references public.profiles);
create table public.recipes (id uuid primary key default gen_random_uuid(), family_id uuid references public.families, owner uuid references auth.users, title text not null, ingredients jsonb not null default '[]' check (jsonb_typeof(ingredients) = 'array'), is_public boolean not null default false);
create table public.allowances (child uuid primary key references public.profiles(user_id), cents int not null check (cents >= 0), every interval not null default '7 days');
create table public.photos (id uuid primary key default gen_random_uuid(), family_id uuid not null references public.families, path text not null unique, taken timestamptz, width int check (width > 0), height int check (height > 0), exif jsonb);
create table public.devices (id uuid primary key default gen_random_uuid(), user_id uuid not null references auth.users default auth.uid(), push_token text not null unique, platform text not null check (platform in ('ios','android','web')));
create function public.my_family() returns uuid language sql stable security definer set search_path = '' as $$ select family_id from public.profiles where user_id = auth.uid() $$;
create function public.join_family(code text) returns void language plpgsql security definer set search_path = '' as $$ begin update public.profiles set family_id = (select id from public.families where invite_code = code) where user_id = auth.uid(); end $$;
create function public.is_parent() returns boolean language sql stable security definer set search_path = '' as $$ select exists (select 1 from public.profiles where user_id = auth.uid() and role in ('parent','admin')) $$;
do $$ declare t text; begin for t in select tablename from pg_tables where schemaname = 'public' loop execute format('alter table public.%I enable row level security', t); end loop; end $$;
create policy f on public.families for select to authenticated using (id = public.my_family());
create policy fi on public.families for insert to authenticated with check (created_by = auth.uid());
create policy fu on public.families for update to authenticated using (id = public.my_family() and public.is_parent());
create policy p on public.profiles for select to authenticated using (user_id = auth.uid() or family_id = public.my_family());
create policy pi on public.profiles for insert to authenticated with check (user_id = auth.uid());
create policy pu on public.profiles for update to authenticated using (user_id = auth.uid());
create policy e on public.events for all to authenticated using (family_id = public.my_family()) with check (family_id = public.my_family() and created_by = auth.uid());
create policy ea on public.event_attendees for all to authenticated using (exists (select 1 from public.events e where e.id = event_id and e.family_id = public.my_family()));
create policy l on public.lists for all to authenticated using (family_id = public.my_family());
create policy li on public.list_items for all to authenticated using (list_id in (select id from public.lists));
create policy r on public.recipes for select using (is_public or family_id = public.my_family());
create policy rw on public.recipes for update to authenticated using (owner = auth.uid() or family_id is not null);
create policy al on public.allowances for select to authenticated using (child = auth.uid() or (public.is_parent() and exists (select 1 from public.profiles p where p.user_id = child and p.family_id = public.my_family())));
create policy ph on public.photos for all to authenticated using (family_id = public.my_family());
create policy d on public.devices for all to authenticated using (user_id = auth.uid());
create policy "family photos" on storage.objects for all to authenticated using (bucket_id = 'photos' and (storage.foldername(name))[1] = public.my_family()::text);
