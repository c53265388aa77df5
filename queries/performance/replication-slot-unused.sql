-- code: replication-slot-unused
-- title: Every replication slot has somebody who reads it
-- step: performance
-- severity: low
-- min-subjects: 1
-- when-none: not-applicable
-- why: a slot that nobody reads keeps the server from removing WAL and dead rows, until the disk is full
-- fix: start its reader again, or SELECT pg_drop_replication_slot('...')
--
-- Slots are the server's, not the database's. A reader that is away at this moment looks like one that is gone: how much WAL is held says more.
SELECT s.slot_name::text AS subject,
       s.active AS ok,
       'read by a connection' AS expected,
       CASE WHEN s.active THEN 'read by a connection'
            ELSE pg_catalog.format('%s slot that nobody reads%s', s.slot_type, COALESCE(', WAL ' || s.wal_status, '')) END AS observed,
       pg_catalog.jsonb_build_object('database', s.database, 'held_bytes', pg_catalog.pg_wal_lsn_diff(
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END,
           s.restart_lsn)) AS detail
FROM pg_catalog.pg_replication_slots s
WHERE NOT s.temporary
ORDER BY 1
