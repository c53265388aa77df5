use migration_ledger::config::Backup;
use migration_ledger::pg::scratch::PREFIX;
use migration_ledger::pg::{Access, ScratchPool};

use crate::dump::{SMALL, tools};
use crate::support::{TestDb, cluster, connect};

async fn leftovers(marker: &str) -> Vec<String> {
    let session = connect(&cluster().url("postgres")).await;
    let rows =
        session.query("SELECT datname::text FROM pg_database WHERE datname LIKE $1", &[&format!("{PREFIX}%{marker}%")]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn copies_are_restored_once_and_independent() {
    let target = TestDb::with_as_migrator(SMALL).await.target("migrator").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.dump");
    let tools = tools(&target);
    tools.dump(&target, &file, "x.dump", &Backup::default()).await.unwrap();
    let pool = ScratchPool::new(target, Some(tools));
    pool.set_application_name("ledger/run/CE-99");
    let (first, time) = pool.copy_of(&file, "onlyonce").await.unwrap();
    assert!(time.is_some());
    let session = first.session(Access::ReadWrite).await.unwrap();
    session.batch("DELETE FROM public.notes").await.unwrap();
    assert_eq!(session.one("SELECT current_setting('application_name')", &[]).await.unwrap().get::<_, String>(0), "ledger/run/CE-99");
    drop(session);
    let (second, time) = pool.copy_of(&file, "onlyonce").await.unwrap();
    assert!(time.is_none());
    let count = async |db: &migration_ledger::pg::ScratchDb| -> i64 {
        db.session(Access::ReadOnly).await.unwrap().one("SELECT count(*) FROM public.notes", &[]).await.unwrap().get(0)
    };
    assert_eq!(count(&first).await, 0);
    assert_eq!(count(&second).await, 1000);
    let third = pool.clone_of(&first, "onlyonce").await.unwrap();
    assert_eq!(count(&third).await, 0);
    assert_eq!(leftovers("onlyonce").await.len(), 3);
    // Sessions that are still in it are ended.
    let open = third.session(Access::ReadOnly).await.unwrap();
    pool.drop_db(third).await.unwrap();
    assert!(open.one("SELECT 1", &[]).await.is_err());
    assert_eq!(leftovers("onlyonce").await.len(), 2);
    pool.close().await.unwrap();
    assert_eq!(leftovers("onlyonce").await, Vec::<String>::new());
}

#[tokio::test]
async fn leftovers_of_the_dead_are_dropped_and_of_the_living_not() {
    let target = TestDb::empty().await.target("migrator").await;
    let dead = ScratchPool::new(target.clone(), None);
    dead.empty("sweepdead").await.unwrap();
    let living = ScratchPool::new(target.clone(), None);
    living.empty("sweepliving").await.unwrap();
    // A database that only looks like ours.
    let admin = connect(&cluster().url("postgres")).await;
    admin.batch("CREATE DATABASE ledger_scratch_sweepforeign OWNER migrator").await.unwrap();
    // A pool that goes without close(): what a crash leaves.
    drop(dead);
    let sweeper = ScratchPool::new(target, None);
    let start = std::time::Instant::now();
    let mut swept = Vec::new();
    while swept.is_empty() && start.elapsed().as_secs() < 10 {
        swept.extend(sweeper.sweep().await.unwrap().into_iter().filter(|name| name.contains("sweep")));
    }
    assert_eq!(swept.len(), 1, "{swept:?}");
    assert!(swept[0].contains("sweepdead"));
    assert_eq!(leftovers("sweepliving").await.len(), 1);
    assert_eq!(leftovers("sweepforeign").await.len(), 1);
    admin.batch("DROP DATABASE ledger_scratch_sweepforeign").await.unwrap();
    living.close().await.unwrap();
    sweeper.close().await.unwrap();
}

#[tokio::test]
async fn names_are_plain_whatever_the_purpose() {
    let pool = ScratchPool::new(TestDb::empty().await.target("postgres").await, None);
    let db = pool.empty("CE-27 \"; DROP DATABASE postgres; --").await.unwrap();
    let name = &db.target().identity().database;
    assert!(
        name.starts_with("ledger_scratch_ce_27") && name.len() <= 63 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
        "{name}"
    );
    pool.close().await.unwrap();
}
