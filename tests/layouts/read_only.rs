//! Layouts whose history is read and not written: what their tools leave is understood, applying is refused with the way out, and with the
//! tool's own command they go through the whole day. The rows are those that the tools' sources and documentation describe; the tools
//! themselves were not run.

use migration_ledger::domain::Product;
use migration_ledger::migrate::history::schema_state;
use migration_ledger::migrate::{Layout, MigrationSet, SchemaState};

use crate::day::Day;
use crate::fixtures::{FIXTURES, Fixture};
use crate::support::TestDb;

/// What the tool's history looks like: its table, and one row for each migration (`{version}`, `{name}`, `{key}`, `{sum}`).
const HISTORIES: [(&str, &str, &str); 7] = [
    (
        "flyway",
        "create table public.flyway_schema_history (installed_rank int primary key, version varchar(50), description varchar(200), type varchar(20),
         script varchar(1000), checksum int, installed_by varchar(100), installed_on timestamp default now(), execution_time int, success boolean)",
        "insert into public.flyway_schema_history values ((select count(*) + 1 from public.flyway_schema_history), '{version}', '{name}', 'SQL', 'x', {sum}, 'me', now(), 5, true)",
    ),
    (
        "golang-migrate",
        "create table public.schema_migrations (version bigint primary key, dirty boolean not null)",
        "delete from public.schema_migrations; insert into public.schema_migrations values ({version}, false)",
    ),
    (
        "goose",
        "create table public.goose_db_version (id serial primary key, version_id bigint not null, is_applied boolean not null, tstamp timestamp default now());
         insert into public.goose_db_version (version_id, is_applied) values (0, true)",
        "insert into public.goose_db_version (version_id, is_applied) values ({version}, true)",
    ),
    (
        "prisma",
        "create table public._prisma_migrations (id varchar(36) primary key, checksum varchar(64) not null, finished_at timestamptz,
         migration_name varchar(255) not null, logs text, rolled_back_at timestamptz, started_at timestamptz not null default now(), applied_steps_count int default 0)",
        "insert into public._prisma_migrations (id, checksum, finished_at, migration_name) values (gen_random_uuid(), '{sum}', now(), '{key}')",
    ),
    (
        "drizzle",
        "create schema drizzle; create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)",
        "insert into drizzle.__drizzle_migrations (hash, created_at) values ('{sum}', {key})",
    ),
    (
        "hasura",
        "create schema hdb_catalog; create table hdb_catalog.hdb_version (hasura_uuid uuid default gen_random_uuid(), cli_state jsonb not null default '{}');
         insert into hdb_catalog.hdb_version (cli_state) values ('{\"migrations\": {\"default\": {}}}')",
        "update hdb_catalog.hdb_version set cli_state = jsonb_set(cli_state, '{migrations,default,{version}}', 'false')",
    ),
    (
        "atlas",
        "create schema atlas_schema_revisions; create table atlas_schema_revisions.atlas_schema_revisions (version varchar primary key, description varchar,
         type bigint default 2, applied bigint, total bigint, executed_at timestamptz, execution_time bigint, error text, error_stmt text, hash varchar,
         partial_hashes jsonb, operator_version varchar);
         insert into atlas_schema_revisions.atlas_schema_revisions (version, description, applied, total, executed_at, execution_time, hash)
         values ('.atlas_cloud_identifier', 'x', 0, 0, now(), 0, '')",
        "insert into atlas_schema_revisions.atlas_schema_revisions (version, description, applied, total, executed_at, execution_time, hash)
         values ('{version}', '{name}', 1, 1, now(), 5000, '{sum}')",
    ),
];

fn row(of: &str, migration: &migration_ledger::migrate::Migration) -> String {
    let key = match &migration.key {
        migration_ledger::migrate::layout::Key::Name(key) => key.as_str(),
        _ => "",
    };
    of.replace("{version}", migration.version.trim_start_matches('0'))
        .replace("{name}", &migration.name)
        .replace("{key}", key)
        .replace("{sum}", migration.checksum.as_deref().unwrap_or_default())
}

fn fixture(layout: &str) -> &'static Fixture {
    FIXTURES.iter().find(|fixture| fixture.layout == layout).unwrap()
}

#[tokio::test]
async fn what_the_tools_leave_is_understood() {
    let read_only: Vec<&str> = Layout::ALL.iter().filter(|layout| layout.read_only().is_some()).map(|layout| layout.name()).collect();
    assert_eq!(read_only, HISTORIES.map(|(layout, _, _)| layout));
    for (layout, table, insert) in HISTORIES {
        let folder = tempfile::tempdir().unwrap();
        fixture(layout).write(folder.path());
        let set = MigrationSet::read(&folder.path().join(fixture(layout).dir), layout).unwrap();
        let db = TestDb::empty().await;
        let session = db.admin().await;
        session.batch(table).await.unwrap();
        for migration in &set.migrations[..2] {
            session.batch(&row(insert, migration)).await.unwrap_or_else(|error| panic!("{layout}: {error}"));
        }
        let state = schema_state(&session, &set, None).await.unwrap_or_else(|error| panic!("{layout}: {error}"));
        let SchemaState::History(rows) = &state else { panic!("{layout}: {state:?}") };
        let told: Vec<(&str, &str)> = rows.iter().map(|row| (row.version.as_str(), row.name.as_str())).collect();
        let wanted: Vec<(&str, &str)> = set.migrations[..2].iter().map(|m| (m.version.as_str(), m.name.as_str())).collect();
        assert_eq!(told, wanted, "{layout}");
        if !matches!(layout, "golang-migrate" | "goose" | "hasura") {
            assert_eq!(rows[1].checksum, set.migrations[1].checksum, "{layout}");
        }
        assert!(state.has(&set.migrations[1].version) && !state.has(&set.migrations[2].version), "{layout}");
    }
}

#[tokio::test]
async fn applying_is_refused_with_the_reason_and_done_by_the_tools_own_command() {
    let (layout, table, insert) = HISTORIES[2];
    let mut day = Day::of("create table public.docs (id int)", "").await;
    for (file, text) in fixture(layout).files {
        day.file(&format!("../{file}"), text);
    }
    let set = MigrationSet::read(&day.dir(), layout).unwrap();
    day.db
        .session("migrator")
        .await
        .batch(&format!("{table}; insert into public.goose_db_version (version_id, is_applied) values (1, true)"))
        .await
        .unwrap();
    // Version 1, as goose had applied it.
    let first = &set.migrations[0];
    day.db.session("migrator").await.batch(std::str::from_utf8(&first.up.bytes).unwrap()).await.unwrap();
    day.back_up().await;
    let given = day.step("scripts").await;
    assert_eq!(given.word("dry-run-applies"), "pass", "{:?}", given.complaints());
    assert_eq!(given.word("dry-run-round-trip"), "pass", "{:?}", given.complaints());
    let given = day.step("execute").await;
    let refused = given.result.unwrap_err().to_string();
    assert!(
        refused.contains("ledger reads goose's history and does not write it") && refused.contains("[migrations.command] up = "),
        "{refused}"
    );

    let mut tool = String::from("#!/bin/sh\nset -e\n");
    for migration in &set.migrations[1..] {
        // The real tool reads its annotations; to psql they are comments, so that only its own part is given.
        let part = migration.up.file.replace(".sql", ".part");
        day.file(&part, &migration.up.bytes);
        tool.push_str(&format!("psql -X -q -v ON_ERROR_STOP=1 \"$URL\" -f migrations/{part} -c \"{}\"\n", row(insert, migration)));
    }
    day.file("../goose.sh", tool);
    let bin = crate::support::cluster().bin().display();
    day.config(&format!(
        "[migrations.command]\nup = [\"env\", \"PATH={bin}:/usr/bin:/bin\", \"sh\", \"goose.sh\"]\nurl-variable = \"URL\"\n"
    ));
    let given = day.step("execute").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    let Some(Product::Execute(product)) = &given.report.product else { panic!("no product") };
    assert!(product.completed && product.schema_after.as_deref() == Some(set.migrations[2].version.as_str()), "{product:?}");
    day.close().await;
}
