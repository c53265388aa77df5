-- What reaches rows by another way: views, a materialized view, functions of the definer, a partition, a table beside them that is closed.
-- roles: bi_app
-- leaks: public.all_sales(); public.sales_view; public.sales_totals; public.sales_monthly; public.sales_2026
create table public.shops (id int primary key, name text not null);
create table public.sales (shop_id int not null references public.shops, id int not null, day date not null, cents int not null, primary key (shop_id, id, day)) partition by range (day);
create table public.sales_2026 partition of public.sales for values from ('2026-01-01') to ('2027-01-01');
create table public.sales_2027 partition of public.sales for values from ('2027-01-01') to ('2028-01-01');
alter table public.shops enable row level security; alter table public.shops force row level security; alter table public.sales enable row level security;
create policy s on public.shops using (id = nullif(current_setting('bi.shop', true), '')::int);
create policy s on public.sales using (shop_id = nullif(current_setting('bi.shop', true), '')::int);
create view public.sales_view as select shop_id, day, cents from public.sales;
create view public.sales_safe with (security_invoker = true) as select shop_id, day, cents from public.sales;
create view public.sales_filtered as select day, cents from public.sales where shop_id = nullif(current_setting('bi.shop', true), '')::int;
create view public.sales_totals as select day, sum(cents) as cents from public.sales group by day;
create materialized view public.sales_monthly as select shop_id, date_trunc('month', day) as month, sum(cents) as cents from public.sales group by 1, 2;
create function public.all_sales() returns setof public.sales language sql stable security definer set search_path = '' as $$ select * from public.sales $$;
create function public.my_sales() returns setof public.sales language sql stable security definer set search_path = '' as $$ select * from public.sales where shop_id = nullif(current_setting('bi.shop', true), '')::int $$;
grant select, insert, update, delete on public.shops, public.sales to bi_app; grant select on public.sales_2026, public.sales_view, public.sales_safe, public.sales_filtered, public.sales_totals, public.sales_monthly to bi_app;
