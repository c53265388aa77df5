-- An identity provider outside: text keys of users and organisations in the claims, roles as words of a claim, templates for everybody.
-- uses: supabase
-- leaks: public.documents; public.doc_titles(text)
create function public.requesting_user_id() returns text as $$ select nullif(current_setting('request.jwt.claims', true)::json->>'sub', '')::text; $$ language sql stable;
create function public.requesting_org() returns text language sql stable as $$ select coalesce(auth.jwt() ->> 'org_id', auth.jwt() -> 'o' ->> 'id') $$;
create table public.organisations (id text primary key check (id like 'org\_%'), name text not null, tier text not null default 'free' check (tier in ('free','pro','enterprise')));
create table public.members (org_id text references public.organisations(id), user_id text not null, org_role text not null default 'org:member' check (org_role in ('org:admin','org:member')), primary key (org_id, user_id));
create table public.documents (id uuid primary key default gen_random_uuid(), org_id text not null default public.requesting_org() references public.organisations(id), owner_id text not null default public.requesting_user_id(), title text not null, content jsonb not null default '{}', embedding float4[] , is_template boolean not null default false);
create table public.chunks (id bigserial primary key, document_id uuid not null references public.documents on delete cascade, ordinal int not null, text text not null, unique (document_id, ordinal));
create table public.chats (id uuid primary key default gen_random_uuid(), user_id text not null default public.requesting_user_id(), title text);
create table public.chat_messages (id uuid primary key default gen_random_uuid(), chat_id uuid not null references public.chats on delete cascade, role text not null check (role in ('user','assistant','system','tool')), content text not null, tokens int check (tokens >= 0));
create table public.usage (org_id text not null references public.organisations(id), month date not null check (date_trunc('month', month) = month), tokens bigint not null default 0, primary key (org_id, month));
create table public.org_invites (id uuid primary key default gen_random_uuid(), org_id text not null references public.organisations(id), email text not null, status text not null default 'pending');
create function public.match_chunks(query text, match_count int default 5, doc uuid default null) returns setof public.chunks language sql stable as $$ select * from public.chunks where doc is null or document_id = doc limit match_count $$;
create function public.doc_titles(p_org_id text) returns table (id uuid, title text) language sql stable security definer set search_path = '' as $$ select d.id, d.title from public.documents d where d.org_id = p_org_id $$;
do $$ declare t text; begin for t in select tablename from pg_tables where schemaname = 'public' loop execute format('alter table public.%I enable row level security', t); end loop; end $$;
create policy o on public.organisations for select to authenticated using (id = public.requesting_org());
create policy m on public.members for select to authenticated using (org_id = public.requesting_org());
create policy ma on public.members for all to authenticated using (org_id = public.requesting_org() and (auth.jwt() ->> 'org_role') = 'org:admin') with check (org_id = public.requesting_org() and (auth.jwt() ->> 'org_role') = 'org:admin');
create policy d on public.documents for select to authenticated using (org_id = public.requesting_org() or is_template);
create policy di on public.documents for insert to authenticated with check (owner_id = public.requesting_user_id());
create policy du on public.documents for update to authenticated using (org_id = public.requesting_org() and owner_id = public.requesting_user_id()) with check (org_id = public.requesting_org());
create policy dd on public.documents for delete to authenticated using (org_id = public.requesting_org() and (owner_id = public.requesting_user_id() or (auth.jwt() ->> 'org_role') = 'org:admin'));
create policy c on public.chunks for all to authenticated using (exists (select 1 from public.documents d where d.id = document_id and d.org_id = public.requesting_org()));
create policy ch on public.chats for all to authenticated using ((select public.requesting_user_id()) = user_id) with check ((select public.requesting_user_id()) = user_id);
create policy cm on public.chat_messages for all to authenticated using (chat_id in (select id from public.chats where user_id = public.requesting_user_id())) with check (chat_id in (select id from public.chats where user_id = public.requesting_user_id()));
create policy u on public.usage for select to authenticated using (org_id = public.requesting_org());
create policy i on public.org_invites for all to authenticated using (org_id = public.requesting_org() and auth.jwt() ->> 'org_role' = 'org:admin');
