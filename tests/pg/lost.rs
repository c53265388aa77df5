//! Connections and servers that go away in the middle: nothing is established, the reason and what to do are told, nothing is left behind.

use migration_ledger::pg::{Cluster, ConnectSpec, ScratchPool, Session, Target};

use crate::dump::{SMALL, tools};
use crate::environment::{given, world};
use crate::support::{TestDb, cluster, cluster_options, connect};

/// An index that takes its time to be made where a backup is restored, and nowhere else.
const SLOW: &str = "CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        IF current_database() LIKE 'ledger\\_scratch\\_%' THEN PERFORM pg_sleep(2); END IF; RETURN n; END $$;
    CREATE TABLE late (n int); INSERT INTO late VALUES (1); CREATE INDEX ON late (slow(n))";

/// Asks until there is an answer.
async fn until(session: &Session, sql: &str) {
    for _ in 0..1500 {
        if !session.query(sql, &[]).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("nothing came of {sql}");
}

const RESTORING: &str = "pg_stat_activity WHERE wait_event = 'PgSleep' AND datname LIKE 'ledger\\_scratch\\_backup\\_%'";

#[tokio::test]
async fn a_connection_lost_while_restoring_establishes_nothing_and_a_lost_keeper_costs_nothing() {
    let db = TestDb::with(&format!("{SMALL}; {SLOW}")).await;
    let (target, world) = (db.target("postgres").await, world("[migrations]\nbaseline = \"001\"\n"));
    let admin = connect(&cluster().url("postgres")).await;
    let ended = format!("SELECT pg_terminate_backend(pid) FROM {RESTORING}");
    let (lost, ()) = tokio::join!(given(&target, &world), until(&admin, &ended));
    assert_eq!(lost.outcome("backup-made"), "pass");
    let outcome = lost.outcome("backup-restores");
    assert!(
        outcome.starts_with("unknown: ") && outcome.contains("the connection was lost") && outcome.contains("run this task again"),
        "{outcome}"
    );
    assert!(lost.outcome("backup-matches-source").starts_with("unknown: "), "{}", lost.outcome("backup-matches-source"));

    // The session that holds the lease, found by the number in the name.
    let keeper = format!(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l, (SELECT ('x' || split_part(datname, '_', 4))::bit(64)::bigint AS lease FROM {RESTORING}) s
         WHERE l.locktype = 'advisory' AND (l.classid::bigint << 32 | l.objid::bigint) = s.lease"
    );
    // Until the lease is taken again, a run that clears up takes the copy for a leftover; the other tests on this server do clear up.
    for attempt in 1.. {
        let (kept, ()) = tokio::join!(given(&target, &world), until(&admin, &keeper));
        if kept.outcome("backup-matches-source") == "pass" {
            assert_eq!(kept.complaints(), Vec::<String>::new());
            break;
        }
        assert!(attempt < 5 && kept.outcome("backup-restores").contains("the connection was lost"), "{:?}", kept.complaints());
    }
}

#[tokio::test]
async fn a_scratch_server_that_stops_while_restoring_establishes_nothing() {
    let db = TestDb::with(&format!("{SMALL}; {SLOW}")).await;
    let (target, world) = (db.target("postgres").await, world("[migrations]\nbaseline = \"001\"\n"));
    let elsewhere = Cluster::start(&cluster_options()).unwrap();
    let there = connect(&elsewhere.url("postgres")).await;
    let server = Target::open(ConnectSpec::parse(&elsewhere.url("postgres")).unwrap(), "ledger/test").await.unwrap();
    let pool = ScratchPool::new(server, Some(tools(&target))).of(target.clone());
    let stopped = async {
        until(&there, &format!("SELECT FROM {RESTORING}")).await;
        tokio::task::spawn_blocking(|| elsewhere.stop()).await.unwrap().unwrap();
    };
    let (given, ()) = tokio::join!(world.run_with(&target, &pool), stopped);
    given.result.as_ref().unwrap();
    let outcome = given.outcome("backup-restores");
    assert!(outcome.starts_with("unknown: ") && outcome.contains("the connection was lost"), "{outcome}");
    assert!(given.outcome("backup-matches-source").starts_with("unknown: "));
    assert!(pool.close().await.is_err(), "what could not be dropped is said");
}

#[tokio::test]
async fn a_connection_lost_while_dumping_leaves_no_file() {
    let db = TestDb::with(SMALL).await;
    let (target, world) = (db.target("postgres").await, world("[migrations]\nbaseline = \"001\"\n"));
    let holder = db.admin().await;
    holder.batch("BEGIN; LOCK TABLE notes").await.unwrap();
    let admin = connect(&cluster().url("postgres")).await;
    let lost = async {
        let mine = format!("FROM pg_stat_activity WHERE datname = '{}' AND application_name LIKE 'ledger/%'", db.name);
        until(&admin, &format!("SELECT {mine} AND wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%'")).await;
        until(&admin, &format!("SELECT pg_terminate_backend(pid) {mine}")).await;
    };
    let (given, ()) = tokio::join!(given(&target, &world), lost);
    assert!(given.outcome("backup-made").starts_with("unknown: "), "{}", given.outcome("backup-made"));
    assert!(given.outcome("backup-restores").starts_with("unknown: "));
    let left: Vec<_> = std::fs::read_dir(world.project.root.join("backups")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
