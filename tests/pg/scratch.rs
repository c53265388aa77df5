use migration_ledger::config::Backup;
use migration_ledger::pg::catalog::table_states;
use migration_ledger::pg::scratch::PREFIX;
use migration_ledger::pg::{Access, Catalog, Cluster, ClusterOptions, ConnectSpec, ScratchPool, Target};

use crate::dump::{SMALL, tools};
use crate::environment::{given, world};
use crate::support::{TestDb, cluster, cluster_options, connect};

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
    // What a run leaves that died before it could comment on its database; and the same of another role's.
    let early = "ledger_scratch_sweepearly_00000000000000aa_1";
    let others = "ledger_scratch_sweepothers_00000000000000ab_1";
    admin.batch(&format!("CREATE DATABASE {early} OWNER migrator")).await.unwrap();
    admin.batch(&format!("CREATE DATABASE {others}")).await.unwrap();
    // A pool that goes without close(): what a crash leaves.
    drop(dead);
    let sweeper = ScratchPool::new(target, None);
    let start = std::time::Instant::now();
    let mut swept = Vec::new();
    while swept.len() < 2 && start.elapsed().as_secs() < 10 {
        swept.extend(sweeper.sweep().await.unwrap().into_iter().filter(|name| name.contains("sweep")));
    }
    assert_eq!(swept.len(), 2, "{swept:?}");
    assert!(swept.iter().any(|name| name.contains("sweepdead")) && swept.iter().any(|name| name == early), "{swept:?}");
    assert_eq!(leftovers("sweepothers").await.len(), 1);
    admin.batch(&format!("DROP DATABASE {others}")).await.unwrap();
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

/// Another server has neither the roles nor the encoding: the roles come first, the copy is made in the source's encoding, and nothing stays.
#[tokio::test]
async fn a_copy_on_another_server_has_its_roles_and_its_encoding() {
    let elsewhere = Cluster::start(&cluster_options()).unwrap();
    let there = connect(&elsewhere.url("postgres")).await;
    let here = connect(&cluster().url("postgres")).await;
    here.batch("CREATE ROLE team NOLOGIN; CREATE ROLE \"team of; one\" NOLOGIN NOINHERIT IN ROLE team").await.unwrap();
    let latin = format!("latin_{}", std::process::id());
    here.batch(&format!("CREATE DATABASE {latin} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' OWNER migrator"))
        .await
        .unwrap();
    let source = Target::open(ConnectSpec::parse(&cluster().url(&latin)).unwrap(), "ledger/test").await.unwrap();
    let fill = connect(&cluster().url_as("migrator", &latin)).await;
    fill.batch("CREATE TABLE notes (body text); INSERT INTO notes VALUES ('Straße'); CREATE TABLE theirs (t text); GRANT SELECT ON theirs TO app_user")
        .await
        .unwrap();
    connect(&cluster().url(&latin)).await.batch("GRANT SELECT ON theirs TO \"team of; one\"").await.unwrap();
    let tools = tools(&source);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.dump");
    let facts = tools.dump(&source, &file, "x.dump", &Backup::default()).await.unwrap();
    let roles = async || -> Vec<String> {
        let rows = there.query("SELECT rolname::text FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let before = roles().await;
    for crashed in [false, true] {
        let server = Target::open(ConnectSpec::parse(&elsewhere.url("postgres")).unwrap(), "ledger/test").await.unwrap();
        let pool = ScratchPool::new(server.clone(), Some(tools.clone())).of(source.clone());
        let (copy, _) = pool.copy_of(&file, "elsewhere").await.unwrap();
        let made = roles().await;
        assert!(["app_user", "migrator", "team", "team of; one"].iter().all(|role| made.iter().any(|made| made == role)), "{made:?}");
        let superuser = connect(&elsewhere.url(&copy.target().identity().database)).await;
        superuser.batch("SET search_path = ''").await.unwrap();
        assert_eq!(Catalog::read(&superuser, &[]).await.unwrap().as_dumped().fingerprint(), facts.catalog, "crashed: {crashed}");
        assert_eq!(table_states(&superuser, &[]).await.unwrap(), facts.tables, "crashed: {crashed}");
        let row = superuser
            .one("SELECT current_setting('server_encoding'), pg_has_role('team of; one', 'team', 'MEMBER'), bool_or(rolcanlogin) FROM pg_roles WHERE rolname IN ('migrator', 'app_user', 'team')", &[])
            .await
            .unwrap();
        assert_eq!((row.get::<_, String>(0).as_str(), row.get::<_, bool>(1), row.get::<_, bool>(2)), ("LATIN1", true, false));
        drop(superuser);
        if !crashed {
            pool.close().await.unwrap();
        } else {
            // As a crash leaves it: the next run finds databases and roles by their leases.
            drop(pool);
            let sweeper = ScratchPool::new(server, None).of(source.clone());
            let mut swept = Vec::new();
            for _ in 0..100 {
                swept.extend(sweeper.sweep().await.unwrap());
                if swept.len() >= 6 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            assert!(swept.iter().any(|what| what == "role team of; one"), "{swept:?}");
            sweeper.close().await.unwrap();
        }
        assert_eq!(roles().await, before, "crashed: {crashed}");
        let left = there.query("SELECT FROM pg_database WHERE datname LIKE 'ledger%'", &[]).await.unwrap();
        assert!(left.is_empty(), "crashed: {crashed}");
    }
    drop(there);
    elsewhere.stop().unwrap();
}

/// The fingerprint does not know which major it was taken on: what the older one dumps is equal on the newer.
#[tokio::test]
async fn a_dump_is_equal_on_a_newer_server() {
    let Some(bin) = std::env::var_os("LEDGER_TEST_NEWER_BIN").map(std::path::PathBuf::from) else { return };
    let source = TestDb::with(SMALL).await.target("postgres").await;
    let newer = Cluster::start(&ClusterOptions { bin: Some(bin), ..cluster_options() }).unwrap();
    let server = Target::open(ConnectSpec::parse(&newer.url("postgres")).unwrap(), "ledger/test").await.unwrap();
    assert!(server.major() > source.major(), "LEDGER_TEST_NEWER_BIN is not newer");
    let tools = tools(&source);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.dump");
    let facts = tools.dump(&source, &file, "x.dump", &Backup::default()).await.unwrap();
    let pool = ScratchPool::new(server, Some(tools)).of(source);
    let (copy, _) = pool.copy_of(&file, "newer").await.unwrap();
    let session = copy.session(Access::ReadOnly).await.unwrap();
    assert_eq!(Catalog::read(&session, &[]).await.unwrap().as_dumped().fingerprint(), facts.catalog);
    assert_eq!(table_states(&session, &[]).await.unwrap(), facts.tables);
    drop(session);
    pool.close().await.unwrap();
    newer.stop().unwrap();
}

/// What the scratch server lacks says nothing about the backup: it is named, and nothing is established.
#[tokio::test]
async fn an_extension_that_the_scratch_server_lacks_is_named_and_is_no_answer() {
    let db = TestDb::with("INSERT INTO pg_extension VALUES (90001, 'nonesuch', 10, 2200, true, '1.0', NULL, NULL)").await;
    let given = given(&db.target("postgres").await, &world("[migrations]\nbaseline = \"001\"\n")).await;
    assert_eq!(given.outcome("backup-made"), "pass");
    assert!(given.outcome("backup-restores").starts_with("unknown: "), "{}", given.outcome("backup-restores"));
    assert!(given.outcome("backup-restores").contains("(extension nonesuch)"), "{}", given.outcome("backup-restores"));
    assert!(given.outcome("backup-matches-source").starts_with("unknown: "));
}
