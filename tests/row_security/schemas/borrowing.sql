-- Crews lend each other gear: whoever leads a crew may note that another's gear is borrowed, and so reads it. The policy that is called
-- one's own shows every diary.
-- uses: supabase
-- leaks: public.borrowed; public.diaries
create table public.crews (id uuid primary key default gen_random_uuid(), called text not null);
create table public.hands (crew uuid not null references public.crews on delete cascade, hand uuid not null references auth.users on delete cascade, part text not null default 'looks' check (part in ('looks','works')), primary key (crew, hand));
create table public.gear (id uuid primary key default gen_random_uuid(), crew uuid not null references public.crews on delete cascade, what text not null);
create table public.borrowed (crew uuid not null references public.crews on delete cascade, gear uuid not null references public.gear on delete cascade, primary key (crew, gear));
create table public.diaries (id bigint generated always as identity primary key, writer uuid not null references auth.users, entry text not null);
create function public.in_crew(c uuid) returns boolean language sql stable security definer as $$ select exists (select 1 from hands where crew = c and hand = auth.uid()) $$;
create function public.works_in(c uuid) returns boolean language sql stable security definer as $$ select exists (select 1 from hands where crew = c and hand = auth.uid() and part = 'works') $$;
do $$ declare t text; begin for t in select tablename from pg_tables where schemaname = 'public' loop execute format('alter table public.%I enable row level security', t); end loop; end $$;
create policy c on public.crews for select using (in_crew(id));
create policy h on public.hands for select using (in_crew(crew));
create policy hu on public.hands for update using (works_in(crew)) with check (works_in(crew));
create policy g on public.gear for select using (in_crew(crew) or exists (select 1 from public.borrowed b where b.gear = gear.id and in_crew(b.crew)));
create policy gi on public.gear for insert with check (works_in(crew));
create policy gu on public.gear for update using (works_in(crew)) with check (works_in(crew));
create policy b on public.borrowed for select using (in_crew(crew));
create policy bi on public.borrowed for insert with check (works_in(crew));
create policy "writers read their own" on public.diaries for select to authenticated using (true);
create policy dw on public.diaries for insert to authenticated with check (writer = auth.uid());
