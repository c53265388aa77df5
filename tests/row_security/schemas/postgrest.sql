-- PostgREST without a platform: claims by hand, data behind views of an api schema, a definer's function that is asked by key.
-- roles: web_anon, web_user, web_author
-- leaks: data.invoices; api.all_invoices; api.customer(integer)
create schema data; create schema api; create schema private;
create function private.uid() returns int language sql stable as $$ select nullif(current_setting('request.jwt.claims', true)::json ->> 'user_id', '')::int $$;
create function private.company() returns int language plpgsql stable as $$ begin return (current_setting('request.jwt.claims', true)::json #>> '{company,id}')::int; exception when others then return null; end $$;
create table data.companies (company_no int generated always as identity primary key, legal_name varchar(120) not null, vat_id varchar(14) unique check (vat_id ~ '^[A-Z]{2}[0-9A-Z]{8,12}$'), country char(2) not null default 'DE');
create table data.people (person_no int generated always as identity primary key, company_no int not null references data.companies, login name not null unique, email text not null check (email like '%@%.%'), pw_hash text not null default 'x', is_admin boolean not null default false);
create table data.customers (customer_no int generated always as identity primary key, company_no int not null references data.companies, name text not null, discount numeric(4,3) not null default 0 check (discount >= 0 and discount < 1));
create table data.invoices (invoice_no int generated always as identity primary key, customer_no int not null references data.customers, issued date not null default current_date, due date not null, total_cents bigint not null, paid_on date, check (due >= issued), check (paid_on is null or paid_on >= issued));
create table data.invoice_lines (invoice_no int not null references data.invoices on delete cascade, line_no smallint not null check (line_no > 0), what text not null, quantity numeric not null check (quantity <> 0), price_cents bigint not null, amount_cents numeric generated always as (quantity * price_cents) stored, primary key (invoice_no, line_no));
create table data.documents (doc_no int generated always as identity primary key, company_no int not null references data.companies, author_no int not null references data.people, title text not null, body text, published boolean not null default false);
create table data.currencies (code char(3) primary key check (code ~ '^[A-Z]{3}$'), digits smallint not null default 2);
create table private.tokens (jti uuid primary key, person_no int not null references data.people, expires timestamptz not null);
alter table data.companies enable row level security; alter table data.people enable row level security; alter table data.customers enable row level security; alter table data.invoices enable row level security; alter table data.invoice_lines enable row level security; alter table data.documents enable row level security;
create policy c on data.companies to web_user, web_author using (company_no = private.company());
create policy p on data.people for select to web_user, web_author using (company_no = private.company());
create policy pu on data.people for update to web_user using (person_no = private.uid()) with check (person_no = private.uid() and company_no = private.company() and is_admin = (select p.is_admin from data.people p where p.person_no = private.uid()));
create policy cu on data.customers to web_user using (company_no = private.company());
create policy i on data.invoices for select to web_user using (true);
create policy iw on data.invoices for insert to web_user with check (exists (select 1 from data.customers c where c.customer_no = invoices.customer_no and c.company_no = private.company()));
create policy il on data.invoice_lines to web_user using (exists (select from data.invoices i join data.customers c using (customer_no) where i.invoice_no = invoice_lines.invoice_no and c.company_no = private.company()));
create policy d on data.documents for select to web_anon using (published);
create policy du on data.documents for select to web_user using (published or company_no = private.company());
create policy da on data.documents to web_author using (company_no = private.company() and author_no = private.uid());
create view api.customers with (security_invoker = on) as select customer_no, name, discount from data.customers;
create view api.invoices with (security_invoker = on) as select i.*, c.name from data.invoices i join data.customers c using (customer_no);
create view api.all_invoices as select i.invoice_no, i.total_cents, c.company_no from data.invoices i join data.customers c using (customer_no);
create function api.me() returns json language sql stable security definer set search_path = '' as $$ select row_to_json(p) from data.people p where p.person_no = private.uid() $$;
create function api.customer(no int) returns text language sql stable security definer set search_path = '' as $$ select name from data.customers where customer_no = no $$;
grant usage on schema data, api, private to web_anon, web_user, web_author;
grant select on data.currencies, data.documents to web_anon, web_user, web_author; grant insert, update, delete on data.documents to web_author;
grant select, update on data.companies to web_user; grant select on data.companies, data.people to web_author; grant select (person_no, company_no, login, email, is_admin), update (login, email, is_admin) on data.people to web_user;
grant select, insert, update, delete on data.customers, data.invoice_lines to web_user; grant select, insert on data.invoices to web_user; grant select on all tables in schema api to web_user;
