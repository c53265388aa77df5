-- An integer in a setting, cast in every policy; partitions, an exclusion constraint, cyclic keys, identity columns.
-- roles: fleet_app
create schema fleet;
create type fleet.kind as enum ('admin_only', 'truck', 'van'); create type fleet.axle as (load numeric, wheels int);
create table fleet.accounts (id integer generated always as identity primary key, name varchar(40) not null, primary_driver integer);
create table fleet.drivers (account_id integer not null references fleet.accounts, id integer not null, licence text not null check (licence similar to '[A-Z]{1,3}-[0-9]{4}'), born date not null check (born < '2010-01-01'), primary key (account_id, id));
alter table fleet.accounts add foreign key (id, primary_driver) references fleet.drivers (account_id, id) deferrable initially deferred;
create table fleet.vehicles (id bigserial primary key, account_id integer not null references fleet.accounts, kind fleet.kind not null, plate text not null, axles fleet.axle[], seats int8 check (seats % 2 = 0), unique (account_id, plate));
create table fleet.trips (account_id integer not null, vehicle_id bigint not null references fleet.vehicles, started timestamptz not null, driver_id integer, track point[], distance_km numeric(7,1) not null default 0, primary key (account_id, vehicle_id, started), foreign key (account_id, driver_id) references fleet.drivers (account_id, id)) partition by range (started);
create table fleet.trips_2026 partition of fleet.trips for values from ('2026-01-01') to ('2027-01-01');
create table fleet.trips_2027 partition of fleet.trips for values from ('2027-01-01') to ('2028-01-01');
create table fleet.events (id bigint generated always as identity, account_id integer not null, region text not null, payload jsonb not null default '{}', primary key (id, region)) partition by list (region);
create table fleet.events_eu partition of fleet.events for values in ('eu', 'uk'); create table fleet.events_us partition of fleet.events for values in ('us');
create table fleet.readings (account_id integer not null, sensor uuid not null, value double precision) partition by hash (account_id);
create table fleet.readings_0 partition of fleet.readings for values with (modulus 2, remainder 0); create table fleet.readings_1 partition of fleet.readings for values with (modulus 2, remainder 1);
create table fleet.reservations (id int primary key, account_id integer not null, slot tsrange not null, exclude using gist (slot with &&));
do $$ declare t text; begin foreach t in array array['accounts','drivers','vehicles','trips','events','readings','reservations'] loop
  execute format('alter table fleet.%I enable row level security; alter table fleet.%I force row level security', t, t); end loop; end $$;
create policy a on fleet.accounts using (id = nullif(current_setting('fleet.account_id', true), '')::int);
create policy a on fleet.drivers using (account_id = nullif(current_setting('fleet.account_id', true), '')::int);
create policy a on fleet.vehicles using (account_id = nullif(current_setting('fleet.account_id', true), '')::int);
create policy a on fleet.trips using (account_id = nullif(current_setting('fleet.account_id', true), '')::int);
create policy a on fleet.events using (account_id = nullif(current_setting('fleet.account_id', true), '')::int);
create policy a on fleet.readings using (account_id = nullif(current_setting('fleet.account_id', true), '')::int);
create policy a on fleet.reservations using (account_id = nullif(current_setting('fleet.account_id', true), '')::int);
grant usage on schema fleet to fleet_app; grant select, insert, update, delete on fleet.accounts, fleet.drivers, fleet.vehicles, fleet.trips, fleet.events, fleet.readings, fleet.reservations to fleet_app; grant usage on all sequences in schema fleet to fleet_app;
