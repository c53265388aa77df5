-- A user's number in a setting, workspaces through a membership table without foreign keys, soft deletion, text array claims.
-- roles: wiki_app
-- leaks: wiki.drafts
create schema wiki; grant usage on schema wiki to wiki_app;
create table wiki.users (id serial primary key, email varchar(120) not null unique, is_admin boolean not null default false);
create table wiki.workspaces (id serial primary key, slug varchar(30) not null unique, owner_id int not null references wiki.users);
create table wiki.workspace_users (workspace_id int not null references wiki.workspaces, user_id int not null references wiki.users, level int not null check (level in (10, 20, 30)), deleted_at timestamptz, unique (workspace_id, user_id));
create table wiki.pages (id serial primary key, workspace_id int not null references wiki.workspaces, path text not null check (path like '/%'), body text not null default '', status varchar(12) not null default 'live', deleted_at timestamptz, check (status = any (array['live', 'draft', 'gone'])));
create unique index on wiki.pages (workspace_id, lower(path)) where deleted_at is null;
create table wiki.revisions (id bigserial primary key, page_id int not null references wiki.pages, editor_id int not null references wiki.users, body text not null, size int generated always as (length(body)) stored);
create table wiki.drafts (id bigserial primary key, workspace_id int not null references wiki.workspaces, author_id int not null references wiki.users, body text, deleted_at timestamptz);
create function wiki.me() returns int language plpgsql stable as $$ begin return current_setting('wiki.user_id', true)::int; exception when others then return null; end $$;
create function wiki.sees(w int) returns boolean language plpgsql stable security definer set search_path = wiki, pg_temp as $$
begin return exists (select 1 from workspace_users u where u.workspace_id = w and u.user_id = me() and u.deleted_at is null and u.level >= 10); end $$;
do $$ declare t text; begin foreach t in array array['users','workspaces','workspace_users','pages','revisions','drafts'] loop execute format('alter table wiki.%I enable row level security', t); end loop; end $$;
create policy u on wiki.users for select using (id = wiki.me());
create policy w on wiki.workspaces for select using (wiki.sees(id));
create policy wu on wiki.workspace_users for select using (wiki.sees(workspace_id));
create policy p on wiki.pages using (wiki.sees(workspace_id) and deleted_at is null and status = 'live') with check (wiki.sees(workspace_id));
create policy r on wiki.revisions using (exists (select 1 from wiki.pages p where p.id = page_id and wiki.sees(p.workspace_id))) with check (editor_id = wiki.me() and exists (select 1 from wiki.pages p where p.id = page_id and wiki.sees(p.workspace_id)));
create policy d on wiki.drafts using (wiki.sees(workspace_id) and author_id = wiki.me() or deleted_at is null);
grant select, insert, update, delete on all tables in schema wiki to wiki_app; grant usage on all sequences in schema wiki to wiki_app;
