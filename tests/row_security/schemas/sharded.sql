-- Keys of tenant and row throughout, partitions by hash that are granted themselves (those leak), addresses and points.
-- roles: citus_app
-- leaks: public.impressions_0; public.impressions_1
create table companies (id bigserial primary key, name text not null, image_url text, created_at timestamp without time zone not null default now());
create table campaigns (id bigserial, company_id bigint not null references companies (id), name text not null, cost_model text not null check (cost_model in ('cost_per_click','cost_per_impression')), state text not null check (state in ('paused','running','archived')), monthly_budget bigint, blacklisted_site_urls text[], primary key (company_id, id));
create table ads (id bigserial, company_id bigint not null, campaign_id bigint not null, name text not null, target_url text, impressions_count bigint default 0, primary key (company_id, id), foreign key (company_id, campaign_id) references campaigns (company_id, id));
create table clicks (id bigserial, company_id bigint not null, ad_id bigint not null, clicked_at timestamp not null, site_url text not null, cost_per_click_usd numeric(20,10), user_ip inet not null, user_data jsonb not null, primary key (company_id, id), foreign key (company_id, ad_id) references ads (company_id, id));
create table impressions (id bigserial, company_id bigint not null, ad_id bigint not null, seen_at timestamp not null, primary key (company_id, id), foreign key (company_id, ad_id) references ads (company_id, id)) partition by hash (company_id);
create table impressions_0 partition of impressions for values with (modulus 2, remainder 0);
create table impressions_1 partition of impressions for values with (modulus 2, remainder 1);
create table users (id bigserial, company_id bigint not null references companies, email text not null, encrypted_password text not null, primary key (company_id, id), unique (company_id, email));
create table geo_ips (addrs cidr not null primary key, latlon point not null check (-90 <= latlon[0] and latlon[0] <= 90 and -180 <= latlon[1] and latlon[1] <= 180));
do $$ declare t text; begin foreach t in array array['campaigns','ads','clicks','impressions','users'] loop execute format('alter table %I enable row level security', t); execute format('create policy by_company on %I to citus_app using (company_id = current_setting(''app.company_id'', true)::bigint)', t); end loop; end $$;
alter table companies enable row level security; create policy by_company on companies to citus_app using (id = current_setting('app.company_id', true)::bigint);
grant select, insert, update, delete on companies, campaigns, ads, clicks, impressions, users to citus_app; grant select on geo_ips to citus_app; grant usage on all sequences in schema public to citus_app;
grant select on impressions_0, impressions_1 to citus_app;
