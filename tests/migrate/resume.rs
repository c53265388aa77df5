//! Files that stop half-way, connections that are lost, and how the next run goes on.

use std::time::Duration;

use migration_ledger::migrate::{Applied, MigrationSet, apply_to};
use migration_ledger::pg::Session;

use crate::day::Day;
use crate::run::{folder, options};
use crate::support::TestDb;

const BASE: &[u8] = b"create table t (a int); insert into t values (1), (1);";

async fn run(session: &Session, second: &str) -> Applied {
    let dir = folder(&[("001_t.sql", BASE), ("002_i.sql", second.as_bytes())]);
    let set = MigrationSet::read(dir.path(), "auto").unwrap();
    apply_to(session, &set, None, &options()).await.unwrap().pop().unwrap()
}

fn message(applied: &Applied) -> String {
    applied.failure.as_ref().map(ToString::to_string).unwrap_or_default()
}

async fn count(session: &Session, sql: &str) -> i64 {
    session.one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_file_without_a_transaction_goes_on_where_it_stopped_if_the_applied_part_is_unchanged() {
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    let file = "set search_path = public;\ncreate index concurrently i on t (a);\ncreate unique index concurrently u on t (a);\n\
                set role app_user;\nreset role;\ncreate index concurrently k on t (a);\n";
    let stopped = run(&session, file).await;
    assert_eq!(stopped.failure.as_ref().map(|failure| failure.number), Some(3), "{}", message(&stopped));
    let invalid = "select count(*) from pg_catalog.pg_index where not indisvalid";
    assert_eq!(count(&session, invalid).await, 1);

    // The invalid index stays in the way until somebody drops it, and an edited beginning is not taken up.
    assert!(message(&run(&session, file).await).contains("SQLSTATE 42P07"));
    session.batch("delete from public.t where ctid = (select min(ctid) from public.t); drop index public.u").await.unwrap();
    let edited = run(&session, &file.replace("i on t (a)", "i on t ((a + 1))")).await;
    let expected = "002_i.sql:2:1: statement 2 (CREATE INDEX CONCURRENTLY i ON t): statement 2 was applied in an earlier attempt, and the file has \
                    another one there now: restore statements 1 to 2 as they were, and put changes into a new migration";
    assert_eq!(message(&edited), expected);

    let done = run(&session, file).await;
    assert_eq!((message(&done), done.execution.resumed), (String::new(), 2));
    assert_eq!(done.execution.statements.iter().map(|s| s.number).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
    assert_eq!(count(&session, "select count(*) from pg_catalog.pg_indexes where indexname in ('i', 'u', 'k')").await, 3);
    assert_eq!(count(&session, "select count(*) from ledger.file_progress").await, 0);
    assert_eq!(count(&session, "select count(*) from ledger.schema_history where version = '002'").await, 1);
}

/// Ends the session's server process once it runs this.
async fn end(db: &TestDb, what: &str) {
    let admin = db.admin().await;
    for _ in 0..200 {
        let sql = "select count(*) filter (where pg_catalog.pg_terminate_backend(pid)) from pg_catalog.pg_stat_activity \
                   where datname = pg_catalog.current_database() and state = 'active' and query like $1 and pid <> pg_catalog.pg_backend_pid()";
        if admin.one(sql, &[&format!("{what}%")]).await.unwrap().get::<_, i64>(0) > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nobody ran {what}");
}

#[tokio::test]
async fn a_lost_connection_leaves_a_transaction_undone_and_a_file_without_one_to_be_looked_at() {
    let db = TestDb::empty().await;
    let file = "create table u ();\nselect pg_sleep(30);\ncreate table w ();\n";
    let session = db.session("migrator").await;
    let (lost, ()) = tokio::join!(run(&session, file), end(&db, "select pg_sleep(30)"));
    let failure = lost.failure.as_ref().unwrap();
    assert!(failure.disconnected && !failure.decides() && failure.number == 2, "{failure}");
    assert!(failure.to_string().starts_with("002_i.sql:2:1: statement 2 (SELECT pg_sleep): "), "{failure}");
    let session = db.session("migrator").await;
    let tables = "select count(*) from pg_catalog.pg_tables where tablename in ('u', 'w')";
    assert_eq!(count(&session, tables).await, 0);

    let file = format!("-- no-transaction\n{file}");
    let (lost, ()) = tokio::join!(run(&session, &file), end(&db, "select pg_sleep(30)"));
    assert!(lost.failure.as_ref().is_some_and(|failure| failure.disconnected));
    let session = db.session("migrator").await;
    assert_eq!(count(&session, tables).await, 1);
    let asked = message(&run(&session, &file).await);
    assert!(
        asked.starts_with("002_i.sql:3:1: statement 2 (SELECT pg_sleep): statement 2 began in an earlier attempt and its end is not known"),
        "{asked}"
    );
    session.batch("update ledger.file_progress set state = 'refused' where version = '002' and statement = 2").await.unwrap();
    let done = run(&session, &file.replace("30", "0")).await;
    assert_eq!((message(&done), done.execution.resumed), (String::new(), 1));
    assert_eq!(count(&session, tables).await, 2);
}

#[tokio::test]
async fn a_run_goes_to_the_version_that_is_asked_for_and_takes_late_files_only_with_a_reason() {
    let mut day = Day::new().await;
    day.config("[migrations]\nbaseline = \"001\"\ntarget-version = \"003\"\n");
    let given = day.step("scripts").await;
    assert_eq!(given.check("dry-run-applies").rows.len(), 2);
    assert_eq!(day.step("execute").await.complaints(), Vec::<String>::new());
    assert_eq!(day.count("select count(*) from ledger.schema_history where version in ('003', '004')").await, 1);
    day.config("[migrations]\nbaseline = \"001\"\ntarget-version = \"0033\"\n");
    let error = day.step("scripts").await.result.unwrap_err();
    assert_eq!(error.to_string(), "no migration has the version 0033");

    day.back_up().await;
    day.file("0025_late.sql", "create table public.late ();");
    day.config("[migrations]\nbaseline = \"001\"\n");
    assert_eq!(day.step("scripts").await.found("pending-in-order"), Vec::<String>::new(), "25 is no 2.5");
    day.remove("0025_late.sql");
    day.hands().await.batch("update ledger.schema_history set version = '0040' where version = '003'").await.unwrap();
    day.remove("003_keys.sql");
    day.file("040_keys.sql", "select 1;");
    day.file("039_late.sql", "create table public.late ();");
    assert_eq!(day.step("scripts").await.found("pending-in-order"), ["004_index.sql", "039_late.sql"]);
    day.config("[migrations]\nbaseline = \"001\"\nout-of-order = \"two branches were merged\"\n");
    let given = day.step("scripts").await;
    assert_eq!(given.word("pending-in-order"), "pass");
    assert!(given.check("pending-in-order").rows[0].observed.ends_with("(accepted: two branches were merged)"));
    day.close().await;
}

/// Some tools number from zero: baseline "0" is before that file, and so is the way back to "0".
#[tokio::test]
async fn a_version_zero_is_pending_where_nothing_is_applied() {
    let mut day = Day::of(
        "create table public.old (id int primary key, note text); insert into public.old values (1, 'x')",
        "[migrations]\nbaseline = \"0\"\n[rollback]\ntarget-version = \"0\"\n",
    )
    .await;
    for (file, text) in [
        ("000_a.sql", "create table public.a (id int primary key);"),
        ("000_a.down.sql", "drop table public.a;"),
        ("001_b.sql", "create table public.b (a int references public.a);"),
        ("001_b.down.sql", "drop table public.b;"),
    ] {
        day.file(file, text);
    }
    day.back_up().await;
    let given = day.step("scripts").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    assert!(given.report.headline.starts_with("2 files run"), "{}", given.report.headline);
    assert_eq!(day.step("execute").await.complaints(), Vec::<String>::new());
    let given = day.step("rollback").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    assert_eq!(given.check("rollback-documented").rows.len(), 2, "{:?}", given.check("rollback-documented"));
    day.close().await;
}

#[tokio::test]
async fn what_somebody_changed_by_hand_is_no_file_s_work() {
    let mut day = Day::of("", "[migrations]\nbaseline = \"0\"\n").await;
    day.file("001_a.sql", "create table public.a (id int primary key, b text);\n");
    day.file(
        "002_b.sql",
        "-- no-transaction\ncreate index concurrently a_b on public.a (b);\ncreate view public.v as select id from public.a;\n",
    );
    day.back_up().await;
    assert_eq!(day.step("scripts").await.word("catalog-as-files-make-it"), "not-applicable");
    assert_eq!(day.step("execute").await.complaints(), Vec::<String>::new());
    let given = day.step("scripts").await;
    assert_eq!(given.word("catalog-as-files-make-it"), "pass", "{:?}", given.check("catalog-as-files-make-it"));
    let hands = day.hands().await;
    hands.batch("alter table public.a add column by_hand int; drop index public.a_b").await.unwrap();
    let given = day.step("scripts").await;
    assert_eq!(given.found("catalog-as-files-make-it"), ["column public.a.by_hand", "index public.a_b"]);
    assert!(given.observed("catalog-as-files-make-it").starts_with("on the target, and no file makes it"));
    hands.batch("alter table public.a drop column by_hand; create index a_b on public.a (b)").await.unwrap();
    assert_eq!(day.step("scripts").await.word("catalog-as-files-make-it"), "pass");
    day.file("001_a.sql", "create table public.a (id int primary key, b nosuchtype);\n");
    assert_eq!(day.step("scripts").await.found("catalog-as-files-make-it"), ["001_a.sql:1"]);
    day.close().await;
}

#[tokio::test]
async fn what_this_server_does_not_have_is_named_with_its_place() {
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    let missing = message(&run(&session, "\n create extension no_such_extension;").await);
    assert!(missing.starts_with("002_i.sql:2:2: statement 1 (CREATE EXTENSION no_such_extension): "), "{missing}");
    assert!(missing.contains("no_such_extension") && missing.contains("SQLSTATE"), "{missing}");
    let newer = run(&session, "select 1;\nselect * from (select 1);").await;
    if db.target("migrator").await.major() < 16 {
        assert_eq!(message(&newer), "002_i.sql:2:15: statement 2 (SELECT): subquery in FROM must have an alias (SQLSTATE 42601)");
    } else {
        assert_eq!(message(&newer), "");
    }
}
