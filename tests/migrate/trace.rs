//! What a migration does to the relations that others use, seen while it runs.

use std::time::Duration;

use migration_ledger::domain::Product;
use migration_ledger::domain::locks::LockMode;
use migration_ledger::domain::product::{FileExecution, StatementExecution};
use migration_ledger::migrate::{MigrationSet, Tracer, apply_traced};
use migration_ledger::pg::Session;

use crate::day::Day;
use crate::run::{folder, options};
use crate::support::TestDb;

async fn traced(db: &TestDb, session: &Session, file: &str) -> FileExecution {
    let target = db.target("migrator").await;
    let tracer = Tracer::beside(&target, session).await.unwrap();
    let dir = folder(&[("001_a.sql", file.as_bytes())]);
    let set = MigrationSet::read(dir.path(), "auto").unwrap();
    let mut options = options();
    options.history = false;
    let applied = apply_traced(session, &set.migrations[0], &options, Some(&tracer), &mut |_| {}).await;
    assert_eq!(applied.failure, None);
    assert!(applied.execution.traced);
    applied.execution
}

fn locks(statement: &StatementExecution) -> Vec<String> {
    statement.locks.iter().map(|lock| format!("{} {} {}", lock.mode, lock.kind, lock.relation)).collect()
}

const TABLES: &str = "create table public.parent (id int primary key); insert into public.parent select generate_series(1, 1000);
    create table public.child (id int primary key, parent int, note text); insert into public.child select i, i, 'x' from generate_series(1, 1000) i;
    create view public.seen as select id from public.child;";

#[tokio::test]
async fn each_statement_shows_its_new_locks_on_what_was_there_and_what_it_rewrites_makes_and_drops() {
    let db = TestDb::with_as_migrator(TABLES).await;
    let session = db.session("migrator").await;
    let file = traced(
        &db,
        &session,
        "set local search_path = pg_temp;\n\
         create table public.fresh (id int primary key);\n\
         alter table public.child add constraint k foreign key (parent) references public.parent (id);\n\
         update public.child set note = 'y';\n\
         alter table public.child alter column parent type bigint;\n\
         select pg_catalog.pg_sleep(0.2);\n\
         drop view public.seen;\n\
         alter table public.fresh add column x int;\n\
         alter table public.parent rename to elders;\n\
         truncate public.elders cascade;\n",
    )
    .await;
    let of = |number: usize| &file.statements[number - 1];
    assert_eq!(locks(of(1)), Vec::<String>::new());
    assert_eq!(locks(of(2)), Vec::<String>::new());
    assert_eq!(of(2).relations, ["made public.fresh", "made public.fresh_pkey"]);
    assert_eq!(locks(of(3)), ["SHARE ROW EXCLUSIVE table public.child", "SHARE ROW EXCLUSIVE table public.parent"]);
    // Weaker than what it holds already.
    assert_eq!(locks(of(4)), Vec::<String>::new());
    assert_eq!(of(4).rows, Some(1000));
    assert!(locks(of(5)).contains(&"ACCESS EXCLUSIVE table public.child".to_owned()), "{:?}", locks(of(5)));
    assert!(of(5).rewritten.contains(&"public.child".to_owned()), "{:?}", of(5));
    assert_eq!(locks(of(7)), ["ACCESS EXCLUSIVE view public.seen"]);
    assert_eq!(of(7).relations, ["dropped public.seen"]);
    assert_eq!(locks(of(8)), Vec::<String>::new(), "nobody can wait for a table of the file's own");
    // The key was made again with the column, and that locked the other table: more is not to be had.
    assert!(locks(of(5)).contains(&"ACCESS EXCLUSIVE table public.parent".to_owned()), "{:?}", locks(of(5)));
    assert_eq!(locks(of(9)), Vec::<String>::new());
    assert_eq!(of(9).relations, ["renamed public.parent to public.elders"]);
    assert!(of(10).rewritten.contains(&"public.parent".to_owned()), "{:?}", of(10).rewritten);
    // Held to the end of the transaction, and told under the name that others know.
    let held = of(5).locks[0].held_us;
    assert!(held >= 200_000 && held <= file.duration_us, "{held} of {}", file.duration_us);
    assert!(of(7).locks[0].held_us < held - 200_000);
    assert_eq!(of(5).locks[0].mode, LockMode::AccessExclusive);
}

#[tokio::test]
async fn locks_given_back_at_a_savepoint_end_there_and_a_transaction_may_choose_its_isolation() {
    let db = TestDb::with_as_migrator(TABLES).await;
    let session = db.session("migrator").await;
    let file = traced(
        &db,
        &session,
        "set local lock_timeout = '3s'; set transaction isolation level serializable; savepoint a; lock table public.child; \
         rollback to savepoint a; select pg_catalog.pg_sleep(0.15); lock table public.parent in share mode;",
    )
    .await;
    assert_eq!(locks(&file.statements[3]), ["ACCESS EXCLUSIVE table public.child"]);
    assert!(file.statements[3].locks[0].held_us < 150_000, "{:?}", file.statements[3].locks);
    assert_eq!(locks(&file.statements[6]), ["SHARE table public.parent"]);
}

#[tokio::test]
async fn statements_outside_of_a_transaction_are_watched_from_another_session() {
    let db = TestDb::with_as_migrator(TABLES).await;
    db.session("migrator")
        .await
        .batch(
            "create function public.slow(int) returns int immutable language plpgsql as $$ begin perform pg_catalog.pg_sleep(0.0003); return $1; end $$",
        )
        .await
        .unwrap();
    let session = db.session("migrator").await;
    let file = traced(&db, &session, "create index concurrently i on public.child (public.slow(id));\nvacuum full public.parent;\n").await;
    let statement = &file.statements[0];
    assert!(statement.sampled);
    assert!(locks(statement).contains(&"SHARE UPDATE EXCLUSIVE table public.child".to_owned()), "{statement:?}");
    assert!(!statement.locks.iter().any(|lock| lock.mode.blocks_anything()), "{statement:?}");
    assert!(statement.locks[0].held_us > 100_000, "{statement:?}");
    assert_eq!(statement.relations, ["made public.i"]);
    assert!(file.statements[1].rewritten.contains(&"public.parent".to_owned()), "{:?}", file.statements[1]);
}

#[tokio::test]
async fn a_long_file_of_equal_statements_is_told_as_one() {
    let db = TestDb::with_as_migrator(TABLES).await;
    let session = db.session("migrator").await;
    let text: String = (2_000..4_500).map(|i| format!("insert into public.parent values ({i});\n")).collect();
    let file = traced(&db, &session, &format!("{text}delete from public.child;\n")).await;
    assert_eq!(file.statements.len(), 1_001);
    assert_eq!((file.statements[999].times, file.statements[999].rows), (1_501, Some(1_501)));
    assert_eq!(locks(&file.statements[0]), ["ROW EXCLUSIVE table public.parent"]);
    assert_eq!(locks(&file.statements[1_000]), ["ROW EXCLUSIVE table public.child"]);
    assert_eq!(file.statements[1_000].rows, Some(1_000));
}

#[tokio::test]
async fn the_dry_run_and_the_target_show_locks_and_who_waited_for_whom_unless_turned_off() {
    let mut day = Day::new().await;
    let given = day.step("scripts").await;
    let Some(Product::Scripts(product)) = &given.report.product else { panic!("no product") };
    let all = |files: &[FileExecution]| -> Vec<String> { files.iter().flat_map(|f| &f.statements).flat_map(locks).collect() };
    assert!(product.rehearsed.iter().all(|file| file.traced));
    let rehearsed = all(&product.rehearsed);
    assert!(rehearsed.contains(&"ACCESS EXCLUSIVE table public.docs".to_owned()), "{rehearsed:?}");

    day.config("[migrations]\nbaseline = \"001\"\nlock-timeout-ms = 500\nretries = 10\n");
    // A long reader blocks the first file, and is named; while the file waits, a second reader waits behind it.
    let reader = day.db.session("migrator").await;
    reader.batch("begin; select from public.docs").await.unwrap();
    let late = day.db.session("migrator").await;
    let (given, ()) = tokio::join!(day.step("execute"), async {
        tokio::time::sleep(Duration::from_millis(2_000)).await;
        let (read, ()) = tokio::join!(late.batch("select from public.docs"), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            reader.batch("rollback").await.unwrap();
        });
        read.unwrap();
    });
    assert_eq!(given.complaints(), Vec::<String>::new());
    let Some(Product::Execute(product)) = &given.report.product else { panic!("no product") };
    assert!(all(&product.files).contains(&"ACCESS EXCLUSIVE table public.docs".to_owned()));
    let file = &product.files[0];
    assert!(file.attempts > 1 && file.tries.len() as u32 == file.attempts - 1, "{file:?}");
    assert!(
        file.tries[0].error.contains("55P03") && file.tries[0].pause_us > 0 && file.tries[0].duration_us >= 500_000,
        "{:?}",
        file.tries
    );
    let wait = file.waits.iter().find(|wait| wait.waiter == "this migration").unwrap();
    assert!(wait.blocker.contains("idle in transaction") && wait.wanted == "ACCESS EXCLUSIVE on public.docs", "{wait:?}");
    assert!(wait.samples > 1 && wait.seen_us > 0, "{wait:?}");
    assert!(given.log.contains("ACCESS EXCLUSIVE on table public.docs for "), "{}", given.log);

    day.config("[migrations]\nbaseline = \"001\"\ntrace = false\n");
    day.file("005_more.sql", "alter table public.docs add column more int;");
    day.step("scripts").await;
    let given = day.step("execute").await;
    let Some(Product::Execute(product)) = &given.report.product else { panic!("no product") };
    assert!(product.files[0].applied && !product.files[0].traced && all(&product.files).is_empty());
    day.close().await;
}
