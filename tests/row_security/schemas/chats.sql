-- Rows are a person's; a workspace and a folder only arrange them, and a function deletes what follows a position.
-- uses: supabase
-- leaks: public.forget_after(uuid, uuid, integer)

create table public.workspaces (
    id uuid primary key default gen_random_uuid(), user_id uuid not null references auth.users (id) on delete cascade,
    name text not null, is_home boolean not null default false);
create unique index one_home on public.workspaces (user_id) where is_home;
create table public.folders (
    id uuid primary key default gen_random_uuid(), user_id uuid not null references auth.users (id) on delete cascade,
    workspace_id uuid not null references public.workspaces (id) on delete cascade, name text not null);
create table public.documents (
    id uuid primary key default gen_random_uuid(), user_id uuid not null references auth.users (id) on delete cascade,
    folder_id uuid references public.folders (id) on delete set null,
    sharing text not null default 'private', title text not null check (char_length(title) <= 100));
create table public.chats (
    id uuid primary key default gen_random_uuid(), user_id uuid not null references auth.users (id) on delete cascade,
    workspace_id uuid not null references public.workspaces (id) on delete cascade, sharing text not null default 'private');
create table public.messages (
    id uuid primary key default gen_random_uuid(), chat_id uuid not null references public.chats (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade, body text not null, position int not null);

do $$
declare t text;
begin
    foreach t in array array['workspaces', 'folders', 'documents', 'chats', 'messages'] loop
        execute format('alter table public.%I enable row level security', t);
        execute format('create policy own on public.%I using (user_id = auth.uid()) with check (user_id = auth.uid())', t);
    end loop;
end $$;
create policy shared on public.documents for select using (sharing <> 'private');
create policy shared on public.chats for select using (sharing <> 'private');

create function public.forget_after(p_user_id uuid, p_chat_id uuid, p_position int) returns void
    language plpgsql security definer set search_path = ''
    as $$ begin delete from public.messages where user_id = p_user_id and chat_id = p_chat_id and position >= p_position; end $$;
-- The twin that asks who calls.
create function public.forget_own_after(p_chat_id uuid, p_position int) returns void
    language plpgsql security definer set search_path = ''
    as $$ begin delete from public.messages where user_id = auth.uid() and chat_id = p_chat_id and position >= p_position; end $$;
