-- Rows of one user each; some reached through a parent; a storage bucket by folder; follow and message tables with two users in a row.
-- uses: supabase
-- roles: anon, authenticated
-- global: public.categories
create table public.categories (id smallint primary key, label text not null);
insert into public.categories values (1, 'home'), (2, 'work');
create table public.lists (id uuid primary key default gen_random_uuid(), user_id uuid not null default auth.uid() references auth.users on delete cascade, title text not null, color text check (color ~ '^#[0-9a-f]{6}$'), is_public boolean not null default false);
create table public.items (id bigserial primary key, list_id uuid not null references public.lists on delete cascade, category_id smallint references public.categories, done boolean default false, due date check (due > '2020-01-01'), priority int2 not null check (priority in (1, 2, 3)));
create table public.follows (follower_id uuid references auth.users, followed_id uuid references auth.users, since date default current_date, primary key (follower_id, followed_id), check (follower_id <> followed_id));
create table public.messages (id bigint generated always as identity primary key, sender_id uuid not null references auth.users, recipient_id uuid not null references auth.users, body text not null, check (sender_id <> recipient_id));
create table public.devices (user_id uuid not null references auth.users, platform text not null check (platform = any (array['ios', 'android', 'web'])), token text not null, mac macaddr, last_ip inet, unique (user_id, token));
create table public.user_settings (user_id uuid primary key references auth.users, theme text not null default 'dark', notify boolean not null default true, quiet_hours int4range check (upper(quiet_hours) <= 24));
create table public.journal (id uuid primary key default gen_random_uuid(), owner uuid not null references auth.users, written_on date not null, mood smallint check (mood between -5 and 5), entry text, unique (owner, written_on));
alter table public.categories enable row level security; alter table public.lists enable row level security; alter table public.items enable row level security; alter table public.follows enable row level security;
alter table public.messages enable row level security; alter table public.devices enable row level security; alter table public.user_settings enable row level security; alter table public.journal enable row level security;
create policy c on public.categories for select to authenticated, anon using (true);
create policy "lists: own" on public.lists using (auth.uid() = user_id) with check (auth.uid() = user_id);
create policy "lists: public" on public.lists for select using (is_public);
create policy "items: own" on public.items using (exists (select 1 from public.lists l where l.id = items.list_id and l.user_id = auth.uid()));
create policy "follows: mine" on public.follows for select using (auth.uid() in (follower_id, followed_id));
create policy "follows: add" on public.follows for insert with check (auth.uid() = follower_id);
create policy "follows: remove" on public.follows for delete using (auth.uid() = follower_id);
create policy "messages: read" on public.messages for select using (auth.uid() = sender_id or auth.uid() = recipient_id);
create policy "messages: send" on public.messages for insert with check (auth.uid() = sender_id);
create policy "devices" on public.devices for all to authenticated using (user_id = (select auth.uid()));
create policy "settings" on public.user_settings for all to authenticated using ((( select auth.uid() as uid)) = user_id);
create policy "journal" on public.journal for all to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
insert into storage.buckets (id, name) values ('avatars', 'avatars');
create policy "own folder" on storage.objects for all to authenticated using (bucket_id = 'avatars' and (storage.foldername(name))[1] = auth.uid()::text);
