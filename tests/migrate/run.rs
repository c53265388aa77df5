//! Applying, verifying and reverting files.

use std::path::{Path, PathBuf};

use migration_ledger::migrate::history::{schema_state, schema_version};
use migration_ledger::migrate::revert::{revert, way_back};
use migration_ledger::migrate::verify::verify;
use migration_ledger::migrate::{Applied, ApplyOptions, MigrationSet, SchemaState, apply_file, apply_to};
use migration_ledger::pg::Session;

use crate::support::TestDb;

pub fn options() -> ApplyOptions {
    ApplyOptions {
        run: "test".into(),
        lock_timeout_ms: 2_000,
        statement_timeout_ms: 60_000,
        concurrently_timeout_ms: 60_000,
        history: true,
    }
}

pub fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts")
}

/// A migrations folder of these files.
pub fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, bytes) in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    dir
}

async fn run(session: &Session, files: &[(&str, &[u8])]) -> Vec<Applied> {
    let dir = folder(files);
    let set = MigrationSet::read(dir.path(), "auto").unwrap();
    apply_to(session, &set, None, &options()).await.unwrap()
}

async fn count(session: &Session, sql: &str) -> i64 {
    session.one(sql, &[]).await.unwrap().get(0)
}

/// A plain folder; what it holds does not matter to its history.
fn plain() -> MigrationSet {
    MigrationSet::read(&contracts(), "plain").unwrap()
}

async fn version(session: &Session) -> Option<String> {
    schema_version(session, &plain(), None).await.unwrap()
}

#[tokio::test]
async fn the_reference_application_goes_up_is_verified_goes_down_and_up_again() {
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    let set = MigrationSet::read(&contracts(), "auto").unwrap();
    assert_eq!(set.migrations.iter().map(|m| m.version.as_str()).collect::<Vec<_>>(), ["001", "002", "003", "004", "005"]);

    let first = apply_to(&session, &set, Some("001"), &options()).await.unwrap();
    assert_eq!(first.iter().map(|a| a.failure.clone()).collect::<Vec<_>>(), [None]);
    assert_eq!(version(&session).await.as_deref(), Some("001"));

    for round in 0..2 {
        for applied in apply_to(&session, &set, None, &options()).await.unwrap() {
            assert_eq!(applied.failure, None, "round {round}");
            assert!(applied.execution.applied && !applied.execution.statements.is_empty());
        }
        assert_eq!(version(&session).await.as_deref(), Some("005"));
        for migration in &set.migrations {
            let statements = verify(&session, migration).await.unwrap_or_else(|failure| panic!("{failure}"));
            assert!(statements.is_some_and(|n| n > 0), "{}", migration.version);
        }
        let back = way_back(&set, "003", |_| true);
        assert_eq!(back.iter().map(|m| m.version.as_str()).collect::<Vec<_>>(), ["005", "004"]);
        let reverted = revert(&session, &back, &options(), &mut |_| {}).await;
        assert!(reverted.iter().all(|step| step.done()), "{reverted:?}");
        assert_eq!(version(&session).await.as_deref(), Some("003"));
    }
    // The verify script of a migration that is not there must not hold.
    assert!(verify(&session, set.find("4").unwrap()).await.is_err());
}

#[tokio::test]
async fn a_file_that_fails_half_way_leaves_nothing_and_names_the_statement() {
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    let applied = run(
        &session,
        &[
            ("001_a.sql", b"create table a (id int primary key);"),
            (
                "002_b.sql",
                b"create table b (id int);\n\ninsert into b values (1);\n  select nothing\n  from b;\ncreate table c (id int);\n",
            ),
            ("003_c.sql", b"create table d (id int);"),
        ],
    )
    .await;
    assert_eq!(applied.len(), 2);
    let failure = applied[1].failure.as_ref().unwrap();
    assert_eq!(failure.to_string(), "002_b.sql:4:10: statement 3 (SELECT nothing): column \"nothing\" does not exist (SQLSTATE 42703)");
    assert_eq!(failure.subject(), "002_b.sql:4");
    assert_eq!(applied[1].execution.statements.len(), 2);
    assert_eq!(applied[1].execution.statements[1].rows, Some(1));
    assert_eq!(version(&session).await.as_deref(), Some("001"));
    assert_eq!(count(&session, "select count(*) from pg_catalog.pg_tables where tablename in ('b', 'c', 'd')").await, 0);
}

#[tokio::test]
async fn bad_files_say_what_is_wrong_and_change_nothing() {
    let cases: [(&[u8], &str); 9] = [
        (b"create table x (id int;\n", "001_x.sql:1:23: statement 1 (CREATE TABLE x): syntax error at or near \";\" (SQLSTATE 42601)"),
        (
            b"create table x (id int);\nCOMMIT;\nselect 1;",
            "001_x.sql:2:1: statement 2: COMMIT inside a migration: each file runs in one transaction of ledger's, which this would end; remove it",
        ),
        (b"create table x ();\nselect '\xff';", "001_x.sql:2:9: not UTF-8: the byte 0xff here; save the file as UTF-8"),
        (b"c\0r\0", "001_x.sql:1:2: a zero byte, which PostgreSQL cannot take; is this file UTF-16?"),
        (
            b"create table x ();\n\\ir other.sql\n",
            "001_x.sql:2:1: statement 2: the psql command \\ir reads another file: put its text here, or make it a migration of its own",
        ),
        (
            b"create table x (a int);\ncopy x (a) from stdin;\n1\ncanary\n\\.\n",
            "001_x.sql:4:1: statement 2 (COPY x): invalid text representation (SQLSTATE 22P02)",
        ),
        (
            b"create table x ();\ndo $a$ begin $b$ end $b$;",
            "001_x.sql:2:4: statement 2: the dollar-quoted string that begins here has no end",
        ),
        (
            b"create table x (a int unique deferrable initially deferred);\ninsert into x values (7), (7);",
            "001_x.sql:1:1: deferred constraints: duplicate key value violates unique constraint \"x_a_key\" (SQLSTATE 23505)",
        ),
        (b"select 1/0, 'canary';", "001_x.sql:1:1: statement 1 (SELECT): division by zero (SQLSTATE 22012)"),
    ];
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    for (bytes, message) in cases {
        let applied = run(&session, &[("001_x.sql", bytes)]).await;
        assert_eq!(applied[0].failure.as_ref().map(ToString::to_string).as_deref(), Some(message));
        assert!(!applied[0].execution.applied);
        assert_eq!(version(&session).await, None);
        assert_eq!(count(&session, "select count(*) from pg_catalog.pg_tables where tablename = 'x'").await, 0, "{message}");
    }
}

#[tokio::test]
async fn odd_but_valid_files_run() {
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    let applied = run(
        &session,
        &[
            ("001_bom.sql", b"\xef\xbb\xbfcreate table bom (id int)"),
            ("002_crlf.sql", b"create table crlf (\r\n  id int\r\n);\r\n-- the end\r\n"),
            ("003_no_semicolon.sql", b"create table a3 (); create table b3 ()"),
            ("004_nested.sql", b"do $outer$ begin execute $inner$ create table nested (); $inner$; end $outer$;"),
            ("005_empty.sql", b""),
            ("006_comment.sql", b"-- nothing to do; yet\n/* ; */;"),
            ("007_atomic.sql", b"create function one() returns int language sql begin atomic select 1; select case when true then 1 end; end; create table a7 ();"),
            ("008_o'brien.sql", b"create table a8 ();"),
        ],
    )
    .await;
    assert_eq!(applied.iter().filter_map(|a| a.failure.clone()).collect::<Vec<_>>(), []);
    assert_eq!(version(&session).await.as_deref(), Some("008"));
    let tables = "select count(*) from pg_catalog.pg_tables where tablename in ('bom', 'crlf', 'a3', 'b3', 'nested', 'a7', 'a8')";
    assert_eq!(count(&session, tables).await, 7);
    let SchemaState::History(rows) = schema_state(&session, &plain(), None).await.unwrap() else { panic!("no history") };
    assert_eq!(rows[7].name, "o'brien");
}

#[tokio::test]
async fn settings_and_roles_of_one_file_do_not_reach_the_next() {
    let db = TestDb::empty().await;
    db.admin().await.batch("grant create on schema public to app_user").await.unwrap();
    let session = db.session("migrator").await;
    let applied = run(
        &session,
        &[
            ("001_a.sql", b"create table a (); set search_path = pg_catalog; set session statement_timeout = 1; set role app_user;"),
            ("002_b.sql", b"create table b (); select pg_sleep(0.05);"),
        ],
    )
    .await;
    assert_eq!(applied.iter().filter_map(|a| a.failure.clone()).collect::<Vec<_>>(), []);
    let owner =
        "select count(*) from pg_catalog.pg_tables where schemaname = 'public' and tablename in ('a', 'b') and tableowner = 'migrator'";
    assert_eq!(count(&session, owner).await, 2);
}

#[tokio::test]
async fn a_data_migration_on_forced_row_security_raises_instead_of_touching_no_row() {
    let db = TestDb::empty().await;
    db.admin()
        .await
        .batch(
            "create role plain_owner_of_rows login; grant create on schema public to plain_owner_of_rows;
             grant create on database \"@\" to plain_owner_of_rows"
                .replace('@', &db.name)
                .as_str(),
        )
        .await
        .unwrap();
    let session = db.session("plain_owner_of_rows").await;
    let applied = run(
        &session,
        &[
            ("001_t.sql", b"create table t (a int); insert into t values (1); alter table t enable row level security; alter table t force row level security;"),
            ("002_backfill.sql", b"update t set a = 2;"),
        ],
    )
    .await;
    assert_eq!(applied[0].failure, None);
    let failure = applied[1].failure.as_ref().unwrap();
    assert_eq!(
        failure.to_string(),
        "002_backfill.sql:1:1: statement 1 (UPDATE t): query would be affected by row-level security policy for table \"t\" (SQLSTATE 42501)"
    );
}

#[tokio::test]
async fn concurrent_index_builds_run_outside_of_a_transaction_and_stop_where_they_fail() {
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    let applied = run(
        &session,
        &[
            ("001_t.sql", b"create table t (a int); insert into t values (1), (1);"),
            ("002_i.sql", b"create index concurrently i on t (a); create index concurrently j on t (a);"),
            ("003_u.sql", b"create index concurrently k on t (a);\ncreate unique index concurrently u on t (a);"),
        ],
    )
    .await;
    assert_eq!(applied[1].failure, None);
    let failure = applied[2].failure.as_ref().unwrap();
    assert_eq!(failure.subject(), "003_u.sql:2");
    assert_eq!(failure.sqlstate.as_deref(), Some("23505"));
    assert_eq!(applied[2].execution.statements.len(), 1);
    assert_eq!(version(&session).await.as_deref(), Some("002"));
    assert_eq!(count(&session, "select count(*) from pg_catalog.pg_index where not indisvalid").await, 1);
}

#[tokio::test]
async fn a_verify_script_fails_by_a_false_row_by_an_error_and_by_saying_nothing() {
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    for (script, expected) in [
        ("select true; select 1 where false;", Ok(Some(2))),
        ("do $$ begin assert true; end $$", Ok(Some(1))),
        (
            "select true;\nselect v from (values (true), (false)) as t (v)",
            Err("001_a.verify.sql:2:1: statement 2 (SELECT v): row 2 is not true"),
        ),
        ("select null::boolean", Err("001_a.verify.sql:1:1: statement 1 (SELECT NULL): row 1 is not true")),
        ("do $$ begin raise 'canary'; end $$", Err("001_a.verify.sql:1:1: statement 1 (DO): an exception was raised (SQLSTATE P0001)")),
        (
            "create table no ();",
            Err(
                "001_a.verify.sql:1:1: statement 1 (CREATE TABLE NO): cannot execute CREATE TABLE in a read-only transaction (SQLSTATE 25006)",
            ),
        ),
        ("-- later", Err("001_a.verify.sql:1:1: the verify script has no statement, so it proves nothing")),
    ] {
        let dir = folder(&[("001_a.sql", b"select 1"), ("001_a.verify.sql", script.as_bytes())]);
        let set = MigrationSet::read(dir.path(), "plain").unwrap();
        let held = verify(&session, &set.migrations[0]).await.map_err(|failure| failure.to_string());
        assert_eq!(held, expected.map_err(str::to_owned), "{script}");
    }
    let dir = folder(&[("001_a.sql", b"select 1")]);
    let set = MigrationSet::read(dir.path(), "plain").unwrap();
    assert_eq!(verify(&session, &set.migrations[0]).await, Ok(None));
}

#[tokio::test]
async fn without_history_a_baseline_speaks_and_its_rows_are_written_once() {
    use migration_ledger::migrate::history::ensure;
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    let dir = folder(&[("001_a.sql", b"select 1"), ("002_b.sql", b"select 1"), ("010_c.sql", b"create table c ()")]);
    let set = MigrationSet::read(dir.path(), "auto").unwrap();
    assert_eq!(schema_state(&session, &plain(), None).await.unwrap(), SchemaState::Unknown);
    let state = schema_state(&session, &plain(), Some("002")).await.unwrap();
    assert!(state.has("1") && state.has("2") && !state.has("10"));
    for _ in 0..2 {
        ensure(&session, &set, Some("002")).await.unwrap();
    }
    let SchemaState::History(rows) = schema_state(&session, &plain(), Some("002")).await.unwrap() else { panic!("no history") };
    assert_eq!(rows.iter().map(|r| (r.version.as_str(), r.run.as_str())).collect::<Vec<_>>(), [("001", "baseline"), ("002", "baseline")]);
    assert_eq!(rows[0].up_sha256.as_ref(), Some(&set.migrations[0].up.sha256));
    let applied = apply_file(&session, &set.migrations[2], &options(), &mut |_| {}).await;
    assert_eq!(applied.failure, None);
    assert_eq!(version(&session).await.as_deref(), Some("010"));
}
