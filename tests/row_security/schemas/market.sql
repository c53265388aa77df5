-- A market: shops and products that everybody sees once they are active, orders between a buyer and a shop, reviews, disputes.
-- uses: supabase
-- leaks: public.addresses; public.order_items
-- global: public.categories
create type public.order_status as enum ('cart','placed','paid','shipped','delivered','refunded');
create table public.customers (id uuid primary key default gen_random_uuid(), auth_user_id uuid not null unique references auth.users, email text not null, phone text);
create table public.shops (id uuid primary key default gen_random_uuid(), owner_id uuid not null references auth.users default auth.uid(), name text not null, slug text unique not null, is_active boolean not null default true, commission numeric(3,2) not null default 0.10 check (commission between 0 and 0.5));
create table public.shop_staff (shop_id uuid references public.shops on delete cascade, user_id uuid references auth.users on delete cascade, permissions text[] not null default '{orders}', primary key (shop_id, user_id));
create table public.categories (id int generated always as identity primary key, parent_id int references public.categories, name text not null);
create table public.products (id uuid primary key default gen_random_uuid(), shop_id uuid not null references public.shops, category_id int references public.categories, title text not null, price_cents int not null check (price_cents > 0), stock int not null default 0 check (stock >= 0), status text not null default 'draft' check (status in ('draft','active','sold_out','archived')), images text[]);
create table public.product_variants (id uuid primary key default gen_random_uuid(), product_id uuid not null references public.products on delete cascade, sku text not null unique, options jsonb not null default '{}');
create table public.orders (id uuid primary key default gen_random_uuid(), number bigint generated always as identity unique, buyer_id uuid not null references public.customers, shop_id uuid not null references public.shops, status public.order_status not null default 'cart', total_cents int not null default 0, shipping jsonb, placed_at timestamptz, check (status = 'cart' or placed_at is not null));
create table public.order_items (order_id uuid references public.orders on delete cascade, product_id uuid references public.products, quantity int not null check (quantity > 0), unit_cents int not null, primary key (order_id, product_id));
create table public.reviews (id uuid primary key default gen_random_uuid(), product_id uuid not null references public.products, customer_id uuid not null references public.customers, rating smallint not null check (rating between 1 and 5), body text, is_hidden boolean not null default false, unique (product_id, customer_id));
create table public.addresses (id uuid primary key default gen_random_uuid(), customer_id uuid not null references public.customers, line1 text not null, postcode text not null, country char(2) not null check (country = upper(country)), is_default boolean default false);
create unique index one_default on public.addresses (customer_id) where is_default;
create table public.payouts (id uuid primary key default gen_random_uuid(), shop_id uuid not null references public.shops, period tstzrange not null, cents bigint not null);
create table public.disputes (id uuid primary key default gen_random_uuid(), order_id uuid not null references public.orders, opened_by uuid not null references public.customers, state text not null default 'open', messages jsonb not null default '[]');
create table public.favourites (customer_id uuid references public.customers, product_id uuid references public.products, primary key (customer_id, product_id));
create table public.coupons (code text primary key check (code = upper(code) and length(code) between 4 and 16), shop_id uuid not null references public.shops, percent int not null check (percent in (5,10,15,20,50)), valid daterange not null);
create function public.my_customer() returns uuid language sql stable security definer set search_path = public as $$ select id from customers where auth_user_id = auth.uid() $$;
create function public.can_manage(s uuid) returns boolean language sql stable security definer set search_path = public as $$ select exists (select 1 from shops where id = s and owner_id = auth.uid()) or exists (select 1 from shop_staff where shop_id = s and user_id = auth.uid()) $$;
create function public.check_transition() returns trigger language plpgsql as $$ begin
 if old.status is distinct from new.status and not (old.status::text || '>' || new.status::text) = any (array['cart>placed','placed>paid','paid>shipped','shipped>delivered','paid>refunded']) then raise exception 'invalid transition'; end if;
 if new.buyer_id <> old.buyer_id or new.shop_id <> old.shop_id then raise exception 'parties are fixed'; end if; return new; end $$;
create trigger check_transition before update on public.orders for each row execute function public.check_transition();
do $$ declare t text; begin for t in select tablename from pg_tables where schemaname = 'public' loop execute format('alter table public.%I enable row level security', t); end loop; end $$;
create policy cu on public.customers for all to authenticated using (auth_user_id = auth.uid()) with check (auth_user_id = auth.uid());
create policy sh on public.shops for select using (is_active);
create policy sho on public.shops for all to authenticated using (owner_id = auth.uid()) with check (owner_id = auth.uid());
create policy st on public.shop_staff for select to authenticated using (user_id = auth.uid() or public.can_manage(shop_id));
create policy stw on public.shop_staff for all to authenticated using (exists (select 1 from public.shops s where s.id = shop_id and s.owner_id = auth.uid()));
create policy ca on public.categories for select using (true);
create policy pr on public.products for select using (status = 'active');
create policy prw on public.products for all to authenticated using (public.can_manage(shop_id)) with check (public.can_manage(shop_id));
create policy va on public.product_variants for select using (exists (select 1 from public.products p where p.id = product_id and p.status = 'active'));
create policy vaw on public.product_variants for all to authenticated using (exists (select 1 from public.products p where p.id = product_id and public.can_manage(p.shop_id)));
create policy ob on public.orders for select to authenticated using (buyer_id = public.my_customer() or public.can_manage(shop_id));
create policy oi on public.orders for insert to authenticated with check (buyer_id = public.my_customer() and status = 'cart');
create policy ou on public.orders for update to authenticated using (buyer_id = public.my_customer() or public.can_manage(shop_id)) with check (buyer_id = public.my_customer() or public.can_manage(shop_id));
create policy it on public.order_items for select to authenticated using (true);
create policy itw on public.order_items for all to authenticated using (exists (select 1 from public.orders o where o.id = order_id and o.buyer_id = public.my_customer() and o.status = 'cart'));
create policy rv on public.reviews for select using (not is_hidden);
create policy rvw on public.reviews for all to authenticated using (customer_id = public.my_customer()) with check (customer_id = public.my_customer() and exists (select 1 from public.orders o join public.order_items i on i.order_id = o.id where o.buyer_id = public.my_customer() and i.product_id = reviews.product_id));
create policy ad on public.addresses for all to authenticated using (customer_id = public.my_customer() or exists (select 1 from public.orders o where o.buyer_id = addresses.customer_id)) with check (customer_id = public.my_customer());
create policy ad2 on public.addresses for select to authenticated using (auth.role() = 'authenticated');
create policy po on public.payouts for select to authenticated using (public.can_manage(shop_id));
create policy di on public.disputes for select to authenticated using (opened_by = public.my_customer() or exists (select 1 from public.orders o where o.id = order_id and public.can_manage(o.shop_id)));
create policy dii on public.disputes for insert to authenticated with check (opened_by = public.my_customer() and exists (select 1 from public.orders o where o.id = order_id and o.buyer_id = public.my_customer()));
create policy fa on public.favourites for all to authenticated using (customer_id = public.my_customer());
create policy co on public.coupons for all to authenticated using (public.can_manage(shop_id));
