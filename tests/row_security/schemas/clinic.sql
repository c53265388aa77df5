-- Several database roles with rights of their own; restrictive fences, one with a gap; functions that raise; references over two columns.
-- roles: svc_rw, svc_ro, svc_support, svc_report
-- leaks: clinic.patients
create schema clinic; create schema ref; create schema log;
create table clinic.practice (practice_id integer generated always as identity (start 100) primary key, name text not null unique, npi char(10) not null check (npi similar to '[0-9]{10}'), opened date not null check (opened > date '1900-01-01'));
create table ref.icd10 (code varchar(8) primary key, description text not null); create table ref.country (iso2 char(2) primary key, name text not null);
create table clinic.clinician (practice_id int not null references clinic.practice, clinician_id int generated always as identity, full_name text not null, license text not null unique check (license ~ '^[A-Z]{2}-\d{6}$'), hired date not null default current_date, left_on date, primary key (clinician_id), unique (practice_id, clinician_id), check (left_on is null or left_on > hired));
create table clinic.patients (practice_id int not null references clinic.practice, patient_id uuid not null default gen_random_uuid(), mrn text not null, born date not null check (born between '1900-01-01' and current_date), sex char(1) check (sex in ('f','m','x')), contact jsonb not null check (contact ?& array['email','phone']), consent boolean not null default false, primary key (patient_id), unique (practice_id, patient_id), unique (practice_id, mrn));
create table clinic.appointments (practice_id int not null, appointment_id bigint generated always as identity primary key, patient_id uuid not null, clinician_id int not null, slot tstzrange not null, room smallint check (room between 1 and 40), state text not null default 'booked' check (state in ('booked','arrived','done','no_show','cancelled')), foreign key (practice_id, patient_id) references clinic.patients (practice_id, patient_id), foreign key (practice_id, clinician_id) references clinic.clinician (practice_id, clinician_id), check (upper(slot) - lower(slot) <= interval '4 hours'), exclude using gist (slot with &&) where (state = 'never'));
create table clinic.diagnoses (appointment_id bigint not null references clinic.appointments on delete cascade, icd varchar(8) not null references ref.icd10, primary_dx boolean not null default false, noted_at timestamptz not null default now(), primary key (appointment_id, icd));
create table clinic.notes (note_id uuid primary key default gen_random_uuid(), appointment_id bigint not null references clinic.appointments, author int references clinic.clinician (clinician_id), body text not null check (length(body) > 10), signed_at timestamptz, version int not null default 1, supersedes uuid references clinic.notes, unique (supersedes));
create table clinic.prescriptions (rx_id bigserial primary key, patient_id uuid not null references clinic.patients (patient_id), drug text not null, dose_mg numeric(8,3) not null check (dose_mg > 0), refills int not null default 0 check (refills between 0 and 11), valid daterange not null check (upper(valid) > lower(valid)));
create table log.access (id bigserial primary key, practice_id int, who text not null default current_user, what text, at timestamptz default now());
create function clinic.practice() returns int language plpgsql stable as $$ declare p text := current_setting('clinic.practice_id', true); begin if coalesce(p, '') = '' then return -1; end if; return p::int; end $$;
create function clinic.may(action text) returns boolean language plpgsql stable as $$ begin if clinic.practice() < 0 then raise exception 'no practice selected' using errcode = 'CL001'; end if; return true; end $$;
create function log.access() returns trigger language plpgsql security definer set search_path = '' as $$ begin insert into log.access (practice_id, what) values (coalesce(new.practice_id, old.practice_id), tg_op); return coalesce(new, old); end $$;
create trigger access after insert or update or delete on clinic.patients for each row execute function log.access();
create function clinic.sign() returns trigger language plpgsql as $$ begin if old.signed_at is not null then raise exception 'signed notes are final' using errcode = 'CL002'; end if; new.version := old.version + 1; return new; end $$;
create trigger sign before update on clinic.notes for each row execute function clinic.sign();
do $$ declare t text; begin foreach t in array array['practice','clinician','patients','appointments','diagnoses','notes','prescriptions'] loop execute format('alter table clinic.%I enable row level security; alter table clinic.%I force row level security', t, t); end loop; end $$;
create policy own on clinic.practice for select to svc_rw, svc_ro using (practice_id = clinic.practice() and clinic.may('read'));
create policy base on clinic.clinician to svc_rw, svc_ro using (true) with check (true);
create policy fence on clinic.clinician as restrictive to public using (practice_id = clinic.practice()) with check (practice_id = clinic.practice());
create policy base on clinic.patients to svc_rw using (true) with check (true);
create policy fence on clinic.patients as restrictive for select to public using (practice_id = clinic.practice());
create policy fence_ins on clinic.patients as restrictive for insert to public with check (practice_id = clinic.practice());
create policy fence_del on clinic.patients as restrictive for delete to public using (practice_id = clinic.practice());
create policy support on clinic.patients for select to svc_support using (consent and practice_id = clinic.practice());
create policy a on clinic.appointments to svc_rw using (practice_id = clinic.practice());
create policy aro on clinic.appointments for select to svc_ro, svc_report using (practice_id = clinic.practice() and state <> 'cancelled');
create policy d on clinic.diagnoses to svc_rw using (exists (select 1 from clinic.appointments a where a.appointment_id = diagnoses.appointment_id)) with check (appointment_id in (select appointment_id from clinic.appointments));
create policy n on clinic.notes to svc_rw using (exists (select 1 from clinic.appointments a where a.appointment_id = notes.appointment_id and a.practice_id = clinic.practice()));
create policy rx on clinic.prescriptions to svc_rw using (exists (select 1 from clinic.patients p where p.patient_id = prescriptions.patient_id and clinic.may('rx')));
grant usage on schema clinic, ref to svc_rw, svc_ro, svc_support, svc_report; grant select on all tables in schema ref to svc_rw, svc_ro;
grant select, insert, update, delete on all tables in schema clinic to svc_rw; grant select on all tables in schema clinic to svc_ro; grant select on clinic.patients to svc_support; grant select on clinic.appointments to svc_report; grant usage on all sequences in schema clinic to svc_rw;
