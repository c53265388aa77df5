-- Every key begins with the tenant, so every reference does; partitions by time; a setting that must be there.
-- roles: ads_app
-- leaks: public.clicks
create table public.companies (id bigint primary key, name text not null, image_url text, created_at timestamp without time zone not null default now(), updated_at timestamp without time zone not null default now());
create sequence public.ids start 1000;
create table public.users (id bigint not null default nextval('public.ids'), company_id bigint not null references public.companies (id), email text not null, encrypted_password text not null, permissions int not null default 1 check (permissions between 0 and 7), primary key (company_id, id), unique (company_id, email));
create table public.campaigns (id bigint default nextval('public.ids'), company_id bigint references public.companies (id), name text not null, cost_model text not null check (cost_model = any (array['cost_per_click','cost_per_impression'])), state text not null check (state in ('running','paused','archived')), monthly_budget bigint, blacklisted_site_urls text[], owner_id bigint, primary key (company_id, id), foreign key (company_id, owner_id) references public.users (company_id, id));
create table public.ads (id bigint default nextval('public.ids'), company_id bigint, campaign_id bigint, name text not null, image_url text, target_url text check (target_url like 'https://%'), impressions_count bigint default 0, clicks_count bigint default 0, primary key (company_id, id), foreign key (company_id, campaign_id) references public.campaigns (company_id, id));
create table public.clicks (id bigint default nextval('public.ids'), company_id bigint, ad_id bigint, clicked_at timestamp not null, site_url text not null, cost_per_click_usd numeric(20,10), user_ip inet not null, user_data jsonb not null, primary key (company_id, id), foreign key (company_id, ad_id) references public.ads (company_id, id));
create table public.impressions (id bigint default nextval('public.ids'), company_id bigint, ad_id bigint, seen_at timestamp not null, site_url text not null, cost_per_impression_usd numeric(20,10), user_ip inet not null, user_data jsonb not null, primary key (company_id, id, seen_at), foreign key (company_id, ad_id) references public.ads (company_id, id)) partition by range (seen_at);
create table public.impressions_2025 partition of public.impressions for values from ('2025-01-01') to ('2026-01-01');
create table public.impressions_2026 partition of public.impressions for values from ('2026-01-01') to ('2027-01-01');
create table public.geo_ips (addrs cidr not null primary key, latlon point not null check (-90 <= latlon[0] and latlon[0] <= 90 and -180 <= latlon[1] and latlon[1] <= 180));
create function public.company() returns bigint language sql stable parallel safe as $$ select current_setting('session.company_id')::bigint $$;
do $$ declare t text; begin foreach t in array array['users','campaigns','ads','clicks','impressions'] loop execute format('alter table public.%I enable row level security', t); end loop; end $$;
alter table public.companies enable row level security;
create policy companies_own on public.companies using (id = public.company());
create policy users_own on public.users using (company_id = public.company());
create policy campaigns_own on public.campaigns using (company_id = public.company());
create policy ads_own on public.ads using (company_id = public.company());
create policy clicks_own on public.clicks for select using (company_id = public.company());
create policy clicks_ins on public.clicks for insert with check (site_url is not null);
create policy impressions_own on public.impressions using (company_id = public.company());
create materialized view public.click_counts as select company_id, ad_id, count(*) from public.clicks group by 1, 2;
grant select, insert, update, delete on public.users, public.campaigns, public.ads, public.clicks, public.impressions to ads_app; grant select on public.companies, public.geo_ips to ads_app; grant usage on public.ids to ads_app;
