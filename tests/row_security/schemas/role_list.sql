-- Roles stand in a table of their own, and policies name them in what they hand to a function.
-- uses: supabase
-- leaks: public.contracts; public.staff_roles; public.notes
-- global: public.roles; public.grades

create table public.firms (id uuid primary key default gen_random_uuid(), name text not null);
create table public.staff (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null unique references auth.users (id) on delete cascade,
    firm_id uuid not null references public.firms (id),
    full_name text);
create table public.roles (id uuid primary key default gen_random_uuid(), name text not null unique, description text);
create table public.grades (code varchar(20) primary key, title text not null);
insert into public.roles (id, name) values
    ('00000000-0000-4000-8000-000000000001', 'root_operator'), ('00000000-0000-4000-8000-000000000002', 'payroll_lead'),
    ('00000000-0000-4000-8000-000000000003', 'clerk');
insert into public.grades values ('owner', 'Owner'), ('member', 'Member');
create table public.staff_roles (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    role_id uuid not null references public.roles (id),
    firm_id uuid not null references public.firms (id),
    is_active boolean not null default true,
    unique (user_id, role_id, firm_id));
create table public.firm_members (
    user_id uuid not null references auth.users (id) on delete cascade,
    firm_id uuid not null references public.firms (id) on delete cascade,
    member_grade varchar(20) not null default 'member' references public.grades (code),
    primary key (user_id, firm_id));
create table public.contracts (
    id uuid primary key default gen_random_uuid(), firm_id uuid not null references public.firms (id),
    staff_id uuid not null references public.staff (id) on delete cascade, title text not null);
create table public.payslips (
    id uuid primary key default gen_random_uuid(), firm_id uuid not null references public.firms (id),
    staff_id uuid not null references public.staff (id) on delete cascade, amount numeric(12, 2) not null check (amount >= 0));
create table public.notes (
    id uuid primary key default gen_random_uuid(), firm_id uuid not null references public.firms (id), body text not null);

create function public.my_firm() returns uuid language sql stable security definer set search_path = public, pg_temp
    as $$ select firm_id from public.staff where user_id = auth.uid() limit 1 $$;
create function public.has_any_role(wanted text[]) returns boolean language plpgsql stable security definer set search_path = public, pg_temp
    as $$
begin
    return exists (
        select 1 from public.staff_roles s join public.roles r on s.role_id = r.id
        where s.user_id = auth.uid() and r.name = any (wanted) and s.is_active);
end $$;
create function public.has_grade(firm uuid, grade varchar default null) returns boolean language sql stable security definer set search_path = ''
    as $$
    select exists (
        select 1 from public.firm_members m
        where m.user_id = (select auth.uid()) and m.firm_id = has_grade.firm
          and (m.member_grade = has_grade.grade or has_grade.grade is null))
$$;
create function public.is_owner_anywhere(grade text) returns boolean language sql stable security definer set search_path = ''
    as $$ select exists (select 1 from public.firm_members m where m.user_id = auth.uid() and m.member_grade = grade) $$;

do $$
declare t text;
begin
    foreach t in array array['firms', 'staff', 'roles', 'grades', 'staff_roles', 'firm_members', 'contracts', 'payslips', 'notes'] loop
        execute format('alter table public.%I enable row level security', t);
    end loop;
end $$;
create policy firms_read on public.firms for select to authenticated using (id = public.my_firm());
create policy staff_read on public.staff for select to authenticated using (firm_id = public.my_firm());
create policy roles_read on public.roles for select to authenticated using (true);
create policy grades_read on public.grades for select to authenticated using (true);
create policy members_read on public.firm_members for select to authenticated using (public.has_grade(firm_id));
create policy members_write on public.firm_members for all to authenticated
    using (public.has_grade(firm_id, 'owner')) with check (public.has_grade(firm_id, 'owner'));
-- The payroll lead of one firm reads the papers of all.
create policy contracts_own on public.contracts for select to authenticated
    using (staff_id in (select id from public.staff where user_id = auth.uid()) or public.has_any_role(array['payroll_lead']));
create policy staff_roles_read on public.staff_roles for select to authenticated
    using (user_id = auth.uid() or public.has_any_role(array['payroll_lead', 'clerk']));
-- Here the role is asked for within the firm.
create policy payslips_read on public.payslips for select to authenticated
    using (firm_id = public.my_firm() and public.has_any_role(array['payroll_lead']) or public.has_any_role(array['root_operator']));
-- The owner of any firm reads and writes every note.
create policy notes_all on public.notes for all to authenticated
    using (public.has_grade(firm_id) or public.is_owner_anywhere('owner'))
    with check (public.has_grade(firm_id) or public.is_owner_anywhere('owner'));
