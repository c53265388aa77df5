-- Hostile names, many columns, policies that recurse, raise or sleep, a table nobody can fill.
-- roles: "App ""X"""
-- undecided: "Odd;Schema".loops; "Odd;Schema".sleeps; "Odd;Schema".never
create schema "Odd;Schema"; grant usage on schema "Odd;Schema" to "App ""X""";
create function "Odd;Schema"."who am I"() returns int language sql stable as $$ select nullif(current_setting('odd.tenant', true), '')::int $$;
create table "Odd;Schema"."drop table x; --" ("tenant_id" int not null, "order" int not null, "sel""ect" text not null, "$1" numeric, primary key ("tenant_id", "order"));
create table "Odd;Schema"."ünïcode 表" (id int primary key, "tenant_id" int not null, "a b" text not null check ("a b" in ('it''s', 'b"c')));
create table "Odd;Schema".loops (id int primary key, tenant_id int not null);
create table "Odd;Schema".sleeps (id int primary key, tenant_id int not null);
create table "Odd;Schema".never (id int primary key, tenant_id int not null, x int not null check (x > 3 and x < 3));
do $$ declare c text; begin select string_agg(format('c%s int default %s', n, n), ', ') into c from generate_series(1, 500) n;
  execute 'create table "Odd;Schema".wide (id int primary key, tenant_id int not null, ' || c || ')'; end $$;
create function "Odd;Schema".slow() returns boolean language plpgsql as $$ begin perform pg_sleep(3600); return true; end $$;
do $$ declare t text; begin foreach t in array array['drop table x; --','ünïcode 表','loops','sleeps','never','wide'] loop
  execute format('alter table "Odd;Schema".%I enable row level security; alter table "Odd;Schema".%I force row level security', t, t); end loop; end $$;
create policy p on "Odd;Schema"."drop table x; --" using ("tenant_id" = "Odd;Schema"."who am I"());
create policy p on "Odd;Schema"."ünïcode 表" using ("tenant_id" = "Odd;Schema"."who am I"());
create policy p on "Odd;Schema".loops using (tenant_id in (select l.tenant_id from "Odd;Schema".loops l));
create policy p on "Odd;Schema".sleeps using ("Odd;Schema".slow());
create policy p on "Odd;Schema".never using (tenant_id = "Odd;Schema"."who am I"());
create policy p on "Odd;Schema".wide using (tenant_id = "Odd;Schema"."who am I"());
grant select, insert, update, delete on all tables in schema "Odd;Schema" to "App ""X""";
