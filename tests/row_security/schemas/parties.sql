-- Buyers and sellers: rows of two parties, a conversation between them, whose lines may be written into by anybody (that one leaks).
-- uses: supabase
-- leaks: public.chat_messages
-- global: public.reviews
create type public.order_status as enum ('cart','placed','paid','shipped','delivered','cancelled');
create table public.sellers (id uuid primary key default gen_random_uuid(), user_id uuid not null unique references auth.users, shop_name text not null unique, payout_iban text check (payout_iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$'), is_verified boolean not null default false);
create table public.products (id uuid primary key default gen_random_uuid(), seller_id uuid not null references public.sellers on delete cascade, name text not null, price_cents int not null check (price_cents >= 0), currency char(3) not null default 'EUR' check (currency ~ '^[A-Z]{3}$'), status text not null default 'draft' check (status in ('draft','active','archived')), tags text[] not null default '{}');
create table public.orders (id bigint generated always as identity primary key, buyer_id uuid not null references auth.users, seller_id uuid not null references public.sellers, status public.order_status not null default 'cart', total_cents int not null default 0, shipping jsonb, placed_at timestamptz);
create table public.order_items (order_id bigint not null references public.orders on delete cascade, product_id uuid not null references public.products, qty int not null check (qty between 1 and 999), price_cents int not null, primary key (order_id, product_id));
create table public.conversations (id uuid primary key default gen_random_uuid(), buyer_id uuid not null references auth.users, seller_id uuid not null references public.sellers, created_at timestamptz default now(), unique (buyer_id, seller_id));
create table public.chat_messages (id bigint generated always as identity primary key, conversation_id uuid not null references public.conversations on delete cascade, sender_id uuid not null references auth.users, body text not null check (length(btrim(body)) > 0), sent_at timestamptz not null default now());
create table public.reviews (id bigint generated always as identity primary key, product_id uuid not null references public.products, author_id uuid not null references auth.users, stars smallint not null check (stars between 1 and 5), body text, unique (product_id, author_id));
alter table public.sellers enable row level security; alter table public.products enable row level security; alter table public.orders enable row level security; alter table public.order_items enable row level security; alter table public.conversations enable row level security; alter table public.chat_messages enable row level security; alter table public.reviews enable row level security;
create function public.my_seller_id() returns uuid language sql stable security definer set search_path = '' as $$ select id from public.sellers where user_id = auth.uid() $$;
create policy s_own on public.sellers for all to authenticated using (user_id = auth.uid()) with check (user_id = auth.uid());
create policy p_public on public.products for select to anon, authenticated using (status = 'active');
create policy p_own on public.products for all to authenticated using (seller_id = public.my_seller_id()) with check (seller_id = public.my_seller_id());
create policy o_parties on public.orders for select to authenticated using (buyer_id = auth.uid() or seller_id = public.my_seller_id());
create policy o_buy on public.orders for insert to authenticated with check (buyer_id = auth.uid() and status = 'cart');
create policy o_seller_update on public.orders for update to authenticated using (seller_id = public.my_seller_id()) with check (seller_id = public.my_seller_id());
create policy oi_parties on public.order_items for select to authenticated using (exists (select 1 from public.orders o where o.id = order_id and (o.buyer_id = auth.uid() or o.seller_id = public.my_seller_id())));
create policy oi_buyer on public.order_items for insert to authenticated with check (exists (select 1 from public.orders o where o.id = order_id and o.buyer_id = auth.uid()));
create policy c_parties on public.conversations for select to authenticated using (buyer_id = auth.uid() or seller_id = public.my_seller_id());
create policy c_open on public.conversations for insert to authenticated with check (buyer_id = auth.uid());
create policy m_parties on public.chat_messages for select to authenticated using (exists (select 1 from public.conversations c where c.id = conversation_id and (c.buyer_id = auth.uid() or c.seller_id = public.my_seller_id())));
create policy m_send on public.chat_messages for insert to authenticated with check (sender_id = auth.uid() and exists (select 1 from public.conversations c where c.id = conversation_id and (c.buyer_id = auth.uid() or c.seller_id = public.my_seller_id())));
create policy r_public on public.reviews for select using (true);
create policy r_own on public.reviews for insert to authenticated with check (author_id = auth.uid());
create policy r_own_u on public.reviews for update to authenticated using (author_id = auth.uid()) with check (author_id = auth.uid());
create policy r_own_d on public.reviews for delete to authenticated using (author_id = auth.uid());
drop policy m_send on public.chat_messages; create policy m_send on public.chat_messages for insert to authenticated with check (sender_id = auth.uid());
