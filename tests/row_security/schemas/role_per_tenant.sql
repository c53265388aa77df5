-- One database role per tenant: policies compare the role's own name.
-- roles: clinic_north, clinic_south, clinic_user
-- members: clinic_north, clinic_south of clinic_user
-- leaks: public.wards_open
create table public.clinics (role_name name primary key, title text not null);
insert into public.clinics values ('clinic_north', 'North'), ('clinic_south', 'South');
create table public.patients (id int primary key, clinic name not null default current_user references public.clinics, born date not null);
create table public.visits (id bigserial primary key, patient_id int not null references public.patients, at timestamptz not null default now(), note text);
create table public.wards (clinic text not null, code text not null, beds int not null default 1 check (beds > 0), primary key (clinic, code));
create table public.wards_open (clinic text not null, code text not null, beds int not null default 1, primary key (clinic, code));
alter table public.clinics enable row level security; alter table public.patients enable row level security; alter table public.visits enable row level security; alter table public.wards enable row level security; alter table public.wards_open enable row level security;
create policy c on public.clinics for select using (role_name = current_user);
create policy p on public.patients using (clinic = current_user);
create policy v on public.visits using (patient_id in (select id from public.patients));
create policy w on public.wards using (clinic = current_user::text);
create policy w on public.wards_open using (clinic = session_user or clinic is not null);
grant select, insert, update, delete on all tables in schema public to clinic_user; grant usage on all sequences in schema public to clinic_user;
