//! What cannot be run here as its own tool runs it: found, with the place and the way out; and folders that are no SQL at all.

use migration_ledger::migrate::MigrationSet;
use migration_ledger::migrate::layout::OddityKind;

use crate::day::Day;

/// A layout, a file, its text, the subject of the finding, a word of what it says.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    (
        "dbmate",
        "1_a.sql",
        "-- a comment\ncreate table t ();\n-- migrate:up\n-- migrate:down\n",
        "1_a.sql:2",
        "statements before the `-- migrate:up` block",
    ),
    ("dbmate", "1_a.sql", "-- migrate:up\nselect 1;\n", "1_a.sql:1", "no `-- migrate:down` block"),
    ("dbmate", "1_a.sql", "-- migrate:down\n-- migrate:up\nselect 1;\n", "1_a.sql:1", "stands before"),
    ("dbmate", "1_a.sql", "-- migrate:up\n\ncreate index concurrently i on t (a);\n-- migrate:down\n", "1_a.sql:3", "transaction:false"),
    (
        "dbmate",
        "1_a.sql",
        "-- migrate:up transaction:false\nselect 1;\ncreate index concurrently i on t (a);\n-- migrate:down\n",
        "1_a.sql:3",
        "one message",
    ),
    ("goose", "00002_code.go", "package migrations\n", "00002_code.go", "written in Go"),
    ("goose", "1_a.sql", "-- +goose Up\nselect 1\n", "1_a.sql:2", "no semicolon"),
    ("goose", "1_a.sql", "-- +goose Up\n  -- +goose Down\n", "1_a.sql:2", "first column"),
    ("goose", "1_a.sql", "-- +goose ENVSUB ON\n-- +goose Up\nselect '${REGION}';\n", "1_a.sql:3", "environment variable"),
    ("goose", "1_a.sql", "-- +goose Up\n-- +goose StatementBegin\nselect 1;\n", "1_a.sql:2", "without a StatementEnd"),
    ("goose", "init.sql", "-- +goose Up\nselect 1;\n", "init.sql", "rename it"),
    ("golang-migrate", "1_a.up.sql", "select 1;\ncreate index concurrently i on t (a);\n", "1_a.up.sql:2", "a file of its own"),
    ("golang-migrate", "1_a.up.js", "{}", "1_a.up.js", "is not SQL"),
    ("golang-migrate", "3_a.down.sql", "select 1;", "3_a.down.sql", "no way up"),
    ("sqlx", "x_a.sql", "select 1;", "x_a.sql", "64-bit number"),
    ("sqlx", "1_a.sql", "create index concurrently i on t (a);\n", "1_a.sql:1", "-- no-transaction"),
    ("flyway", "V1__a.sql", "select '${schema}';\n", "V1__a.sql:1", "placeholder ${schema}"),
    ("flyway", "V2__Code.java", "class V2__Code {}\n", "V2__Code.java", "written in Java"),
    ("diesel", "1_a/down.sql", "select 1;", "1_a", "no up.sql"),
    ("refinery", "V1.2__a.sql", "select 1;", "V1.2__a.sql", "no whole number"),
    ("refinery", "V2__a.rs", "fn migration() {}", "V2__a.rs", "written in Rust"),
    ("refinery", "V1__a.sql", "create index concurrently i on t (a);", "V1__a.sql:1", "no way to opt out"),
    ("sqitch", "sqitch.plan", "%project=x\na 2026-01-01T00:00:00Z Ada <ada@example.com>\n", "sqitch.plan:2", "no deploy script a.sql"),
    ("liquibase", "a.sql", "--liquibase formatted sql\n--changeset a:1 runOnChange:true\nselect 1;\n", "a.sql:2", "runOnChange:true"),
    (
        "liquibase",
        "a.sql",
        "--liquibase formatted sql\n--changeset a:1\n--preconditions onFail:HALT\nselect 1;\n",
        "a.sql:3",
        "precondition",
    ),
    ("liquibase", "a.sql", "--liquibase formatted sql\n--changeset a:1 context:test\nselect 1;\n", "a.sql:2", "context:test"),
    ("liquibase", "a.sql", "--liquibase formatted sql\nselect 1;\n--changeset a:1\nselect 1;\n", "a.sql:2", "before the first"),
    ("liquibase", "a.yaml", "databaseChangeLog:\n", "a.yaml", "liquibase update-sql"),
    ("graphile-migrate", "000001.sql", "--! Previous: -\n--! Hash: sha1:00\n\nselect 1;\n", "000001.sql", "refuses it"),
    (
        "graphile-migrate",
        "000001.sql",
        "--! Previous: -\n--! AllowInvalidHash\n--! Hash: sha1:0\n\ngrant all on schema public to :DATABASE_OWNER;\n",
        "000001.sql:5",
        ":DATABASE_OWNER",
    ),
    ("graphile-migrate", "000001.sql", "select 1;\n", "000001.sql:1", "empty line"),
    ("node-pg-migrate", "1_a.ts", "export const up = 1;", "1_a.ts", "written in code"),
    ("node-pg-migrate", "1_a.sql", "select 1;\n-- Down Migration\nselect 2;\n", "1_a.sql", "no Up line"),
    ("sql-migrate", "1_a.sql", "-- +migrate Up\nselect 1\n", "1_a.sql:2", "no semicolon"),
    ("sql-migrate", "1_a.sql", "select 1;\n-- +migrate Up\n", "1_a.sql:1", "before `-- +migrate Up`"),
    ("yoyo", "0001.a.py", "steps = []", "0001.a.py", "written in Python"),
    ("yoyo", "post-apply.sql", "select 1;", "post-apply.sql", "after every application"),
    ("flyway", "V1__a.sql", "select 1;\nvacuum t;\n", "V1__a.sql:2", "executeInTransaction=false"),
    ("prisma", "1_a/readme.md", "x", "1_a", "no migration.sql"),
    ("prisma", "1_a/migration.sql", "select 1;\nvacuum t;\n", "1_a/migration.sql:2", "a file of its own"),
    ("hasura", "1_a/down.sql", "select 1;", "1_a", "no up.sql"),
    ("hasura", "default/1_a/up.sql", "select 1;", "default", "folder of a database"),
    ("atlas", "atlas.sum", "h1:x\n1_a.sql h1:y\n", "1_a.sql", "is not what atlas.sum was made from"),
    ("sqlx", "1_a.sql", "create table t (a int);\ncopy t from stdin;\n1\n\\.\n", "1_a.sql:2", "which sqlx does not read"),
    (
        "dbmate",
        "1_a.sql",
        "-- migrate:up\n\\restrict x\nselect 1;\n-- migrate:down\nselect 1;\n",
        "1_a.sql:2",
        "which dbmate does not read",
    ),
];

#[test]
fn every_refusal_has_its_place_and_its_way_out() {
    for (layout, file, text, subject, says) in CASES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        if *layout == "atlas" {
            std::fs::write(folder.path().join("1_a.sql"), "select 1;").unwrap();
        }
        let set = MigrationSet::read(folder.path(), layout).unwrap();
        let refused: Vec<_> = set.oddities.iter().filter(|oddity| oddity.kind == OddityKind::NotImportable).collect();
        assert_eq!(refused.len(), 1, "{layout} {text}: {:?}", set.oddities);
        assert_eq!(&refused[0].subject, subject, "{layout}");
        assert!(refused[0].message.contains(says), "{layout}: {}", refused[0].message);
    }
}

#[tokio::test]
async fn what_a_tool_would_run_otherwise_is_a_finding_with_its_place() {
    let mut day = Day::of("create table public.t (a int)", "[migrations]\nbaseline = \"0\"\n").await;
    day.back_up().await;
    day.file("1_a.sql", "-- migrate:up\n\ncreate index concurrently i on public.t (a);\n-- migrate:down\ndrop index public.i;\n");
    let given = day.step("scripts").await;
    assert_eq!(given.found("migration-importable"), ["1_a.sql:3"]);
    assert!(given.observed("migration-importable").contains("opt out by `transaction:false`"));
    day.file(
        "1_a.sql",
        "-- migrate:up transaction:false\n\ncreate index concurrently i on public.t (a);\n-- migrate:down\ndrop index public.i;\n",
    );
    let given = day.step("scripts").await;
    assert_eq!((given.word("migration-importable"), given.word("dry-run-round-trip")), ("pass", "pass"), "{:?}", given.complaints());
    day.close().await;
}

#[test]
fn folders_without_sql_are_named_with_the_way_out() {
    for (file, says) in [
        ("versions/1a2b_init.py", "Python migrations (such as versions/1a2b_init.py)"),
        ("20260101000000_init.rb", "rails db:migrate"),
        ("1_init.ts", "TypeScript"),
        ("0001_init.go", "team's own program"),
        ("changelog.xml", "liquibase update-sql"),
        ("changelog.yaml", "liquibase update-sql"),
        ("01_init.json", "pgroll"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
        let error = MigrationSet::read(folder.path(), "auto").unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("layout = \"command\"") | error.contains("liquibase"), "{file}: {error}");
    }
}

#[test]
fn a_folder_that_two_tools_fit_is_not_guessed() {
    let read = |files: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        MigrationSet::read(folder.path(), "auto")
    };
    let error = read(&[("1_a.up.sql", "select 1"), ("1_a.down.sql", "select 1")]).unwrap_err().to_string();
    assert!(error.contains("golang-migrate (") && error.contains("or sqlx (") && error.contains("layout = "), "{error}");
    let error = read(&[("V1__a.sql", "select 1")]).unwrap_err().to_string();
    assert!(error.contains("flyway (") && error.contains("plain ("), "{error}");
    let error = read(&[("1_a.sql", "-- migrate:up\n-- migrate:down\n"), ("2_b.sql", "-- +goose Up\n")]).unwrap_err().to_string();
    assert!(error.contains("`-- migrate:up` in 1_a.sql") && error.contains("`-- +goose` in 2_b.sql"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("1_a")).unwrap();
    std::fs::write(folder.path().join("1_a/up.sql"), "select 1").unwrap();
    let error = MigrationSet::read(folder.path(), "auto").unwrap_err().to_string();
    assert!(error.contains("diesel (") && error.contains("or hasura ("), "{error}");
    let error = MigrationSet::read(std::path::Path::new("."), "rails").unwrap_err().to_string();
    assert!(error.starts_with("unknown layout `rails`; known are: auto, plain, supabase, flyway"), "{error}");
}
