-- Courses that everybody may read about and join; what is taught is for those whose enrolment counts. Helpers name their tables bare.
-- uses: supabase
-- global: public.articles; public.courses
create table public.learners (id uuid primary key references auth.users on delete cascade, called text not null, grade text not null default 'student' check (grade in ('student','head_admin')));
create table public.courses (id uuid primary key default gen_random_uuid(), title text not null, summary text not null default '');
create table public.enrolments (course uuid not null references public.courses on delete cascade, learner uuid not null references public.learners on delete cascade, state text not null default 'asked' check (state in ('asked','admitted','left')), since timestamptz not null default now(), primary key (course, learner));
create table public.lessons (id bigint generated always as identity primary key, course uuid not null references public.courses on delete cascade, body text not null);
create table public.answers (id uuid primary key default gen_random_uuid(), learner uuid not null references public.learners, lesson bigint not null references public.lessons, said text not null);
create table public.articles (slug text primary key, body text not null, out_since timestamptz);
-- Whoever was there first leads it all: a made row must not be like this one.
insert into auth.users (id, email) values ('11111111-1111-4111-8111-111111111111', 'first@example.com');
insert into public.learners values ('11111111-1111-4111-8111-111111111111', 'First', 'head_admin');
create function public.leads() returns boolean language plpgsql stable security definer as $$ begin return exists (select 1 from learners where id = auth.uid() and grade = 'head_admin'); end $$;
do $$ declare t text; begin for t in select tablename from pg_tables where schemaname = 'public' loop execute format('alter table public.%I enable row level security', t); end loop; end $$;
revoke update on public.learners from anon, authenticated;
grant update (called) on public.learners to authenticated;
create policy l on public.learners for select using (id = auth.uid() or leads());
create policy lu on public.learners for update to authenticated using (id = auth.uid()) with check (id = auth.uid());
create policy c on public.courses for select using (true);
create policy cw on public.courses for all using (leads()) with check (leads());
create policy e on public.enrolments for select using (learner = auth.uid() or leads());
create policy ei on public.enrolments for insert to authenticated with check (learner = auth.uid() and state = 'asked');
create policy eu on public.enrolments for update to authenticated using (leads()) with check (leads());
create policy le on public.lessons for select using (leads() or exists (select 1 from public.enrolments e where e.course = lessons.course and e.learner = auth.uid() and e.state = 'admitted'));
create policy an on public.answers for all to authenticated using (learner = auth.uid()) with check (learner = auth.uid());
create policy ar on public.articles for select using (leads() or out_since <= now());
create policy aw on public.articles for all using (leads()) with check (leads());
