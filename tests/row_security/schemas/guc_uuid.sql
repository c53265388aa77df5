-- An application setting with a uuid, read by a plpgsql function that raises without it; a tenants table under another name.
-- roles: shop_app
create table public.merchants (id uuid primary key default gen_random_uuid(), handle text not null unique check (handle ~ '^[a-z]{3,12}$'), tz text not null default 'UTC');
create function public.current_merchant() returns uuid language plpgsql stable as $$
declare v text := current_setting('shop.merchant', true);
begin
  if v is null or v = '' then raise exception 'no merchant' using errcode = 'P0001'; end if;
  return v::uuid;
end $$;
create table public.products (id uuid primary key default gen_random_uuid(), merchant_id uuid not null references public.merchants, sku text not null, price numeric(8,2) not null check (price > 0 and price < 100000), attributes jsonb, weight real, unique (merchant_id, sku));
create table public.variants (id serial primary key, product_id uuid not null references public.products, size text check (size in ('S','M','L','XL')), ean char(13) check (ean ~ '^\d{13}$'));
create table public.carts (id uuid primary key default gen_random_uuid(), merchant_id uuid not null references public.merchants, session_key text not null check (length(session_key) = 32), expires timestamptz not null);
create table public.cart_items (cart_id uuid not null references public.carts on delete cascade, variant_id int not null references public.variants, quantity int not null check (quantity between 1 and 99), primary key (cart_id, variant_id));
create table public.payouts (id bigint generated always as identity primary key, merchant_id uuid not null references public.merchants, iban varchar(34) not null check (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$'), amount bigint not null, currency char(3) not null check (currency = upper(currency) and length(currency) = 3), state text not null default 'pending');
do $$ declare t text; begin foreach t in array array['merchants','products','variants','carts','cart_items','payouts'] loop
  execute format('alter table public.%I enable row level security; alter table public.%I force row level security', t, t); end loop; end $$;
create policy m on public.merchants using (id = public.current_merchant());
create policy p on public.products using (merchant_id = public.current_merchant());
create policy v on public.variants using (exists (select from public.products p where p.id = variants.product_id and p.merchant_id = public.current_merchant()));
create policy c on public.carts using (merchant_id = public.current_merchant());
create policy i on public.cart_items using (cart_id in (select id from public.carts));
create policy r on public.payouts for select using (merchant_id = public.current_merchant());
grant select, insert, update, delete on all tables in schema public to shop_app; grant usage on all sequences in schema public to shop_app;
