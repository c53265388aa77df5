-- Practices of people who register themselves: the first profile may name any practice, and the own one any grade.
-- uses: supabase
-- leaks: public.staff_profiles
create table public.practices (id uuid primary key default gen_random_uuid(), called text not null);
create table public.staff_profiles (id uuid primary key references auth.users on delete cascade, practice_id uuid not null references public.practices, called text not null default '', active boolean not null default true);
create table public.patients (id uuid primary key default gen_random_uuid(), practice_id uuid not null references public.practices, called text not null);
create table public.visits (id uuid primary key default gen_random_uuid(), patient uuid not null references public.patients, notes text);
create function public.my_practice() returns uuid language sql stable security definer as $$ select practice_id from staff_profiles where id = auth.uid() and active $$;
alter table public.practices enable row level security;
alter table public.staff_profiles enable row level security;
alter table public.patients enable row level security;
alter table public.visits enable row level security;
revoke update, delete on public.staff_profiles from anon, authenticated;
create policy p on public.practices for select to authenticated using (id = my_practice());
create policy s on public.staff_profiles for select to authenticated using (practice_id = my_practice());
create policy si on public.staff_profiles for insert to authenticated with check (id = auth.uid());
create policy pa on public.patients for all to authenticated using (practice_id = my_practice()) with check (practice_id = my_practice());
create policy v on public.visits for all to authenticated using (exists (select 1 from public.patients p where p.id = patient and p.practice_id = my_practice()));
