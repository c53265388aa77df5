//! Every layout on a server: apply, verify, revert, apply again.

use migration_ledger::migrate::history::{schema_state, schema_version};
use migration_ledger::migrate::revert::{Reverted, revert, way_back};
use migration_ledger::migrate::verify::verify;
use migration_ledger::migrate::{ApplyOptions, Layout, MigrationSet, SchemaState, apply_file, apply_to};
use migration_ledger::pg::Session;

use crate::fixtures::{FIXTURES, Fixture};
use crate::support::TestDb;

pub fn options() -> ApplyOptions {
    ApplyOptions::of(&migration_ledger::config::Migrations::default(), "test")
}

/// What the application's three migrations make, as numbers: tables, function, index, rows.
pub async fn made(session: &Session) -> [i64; 4] {
    let row = session
        .one(
            "select (select count(*) from pg_tables where schemaname = 'public' and tablename in ('widgets', 'parts')),
                    (select count(*) from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname = 'public' and proname = 'touch'),
                    (select count(*) from pg_index where indexrelid = to_regclass('public.parts_widget') and indisvalid),
                    to_regclass('public.widgets') is not null",
            &[],
        )
        .await
        .unwrap();
    let rows = match row.get::<_, bool>(3) {
        true => session.one("select count(*) from public.widgets", &[]).await.unwrap().get(0),
        false => 0,
    };
    [row.get(0), row.get(1), row.get(2), rows]
}

pub const NOTHING: [i64; 4] = [0, 0, 0, 0];
pub const ALL: [i64; 4] = [2, 1, 1, 2];

/// A session whose search path is as a tool finds it, and a folder of the fixture.
pub async fn project(fixture: &Fixture) -> (TestDb, Session, tempfile::TempDir, MigrationSet) {
    let folder = tempfile::tempdir().unwrap();
    fixture.write(folder.path());
    let set = MigrationSet::read(&folder.path().join(fixture.dir), fixture.layout).unwrap();
    let db = TestDb::empty().await;
    let session = db.admin().await;
    (db, session, folder, set)
}

async fn go(fixture: &Fixture) {
    let layout = fixture.layout;
    let (_db, session, folder, set) = project(fixture).await;
    match (MigrationSet::read(&folder.path().join(fixture.dir), "auto"), fixture.detected) {
        (Ok(found), Ok(())) => assert_eq!(found, set, "{layout}: found as {}", found.layout.name()),
        (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{layout}: {error}"),
        (found, wanted) => panic!("{layout}: {found:?} and not {wanted:?}"),
    }
    assert_eq!(set.oddities, [], "{layout}");
    assert_eq!(set.migrations.iter().map(|m| m.version.as_str()).collect::<Vec<_>>(), fixture.versions, "{layout}");
    assert_eq!(set.migrations.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), fixture.names, "{layout}");
    assert_eq!(set.migrations.iter().map(|m| m.transactional).collect::<Vec<_>>(), [true, true, !fixture.concurrently], "{layout}");
    assert_eq!(set.migrations.iter().filter(|m| m.down.is_some()).count(), if fixture.down { 3 } else { 0 }, "{layout}");
    assert_eq!(set.migrations.iter().filter(|m| m.verify.is_some()).count(), fixture.verify, "{layout}");
    assert_eq!(schema_state(&session, &set, None).await.unwrap(), SchemaState::Unknown, "{layout}");

    if let Some(why) = set.layout.read_only() {
        let error = apply_to(&session, &set, None, &options()).await.unwrap_err();
        assert!(error.to_string().contains(why) && made(&session).await == NOTHING, "{layout}: {error}");
    }
    up(&session, &set, layout).await;
    if set.layout.read_only().is_none() {
        let SchemaState::History(rows) = schema_state(&session, &set, None).await.unwrap() else { panic!("{layout}: no history") };
        assert_eq!(rows.iter().map(|row| row.version.as_str()).collect::<Vec<_>>(), fixture.versions, "{layout}");
        for (row, migration) in rows.iter().zip(&set.migrations) {
            assert_eq!((&row.name, &row.checksum), (&migration.name, &migration.checksum), "{layout}");
        }
        assert_eq!(schema_version(&session, &set, None).await.unwrap().as_deref(), Some(fixture.versions[2]), "{layout}");
    }
    if !fixture.down {
        return;
    }
    let back = way_back(&set, "0", |_| true);
    let reverted = revert(&session, &back, &options(), &mut |_| {}).await;
    assert!(reverted.len() == 3 && reverted.iter().all(Reverted::done), "{layout}: {reverted:#?}");
    assert_eq!(made(&session).await, NOTHING, "{layout}");
    if set.layout.read_only().is_none() {
        assert_eq!(schema_state(&session, &set, None).await.unwrap(), SchemaState::History(Vec::new()), "{layout}");
    }
    up(&session, &set, layout).await;
}

async fn up(session: &Session, set: &MigrationSet, layout: &str) {
    let applied = match set.layout.read_only() {
        None => apply_to(session, set, None, &options()).await.unwrap(),
        Some(_) => {
            let mut applied = Vec::new();
            for migration in &set.migrations {
                applied.push(apply_file(session, migration, &options(), &mut |_| {}).await);
            }
            applied
        }
    };
    assert!(applied.len() == 3 && applied.iter().all(|one| one.failure.is_none()), "{layout}: {applied:#?}");
    assert_eq!(made(session).await, ALL, "{layout}");
    for migration in &set.migrations {
        let held = verify(session, migration).await;
        assert_eq!(held.as_ref().map(Option::is_some), Ok(migration.verify.is_some()), "{layout}: {held:?}");
    }
}

#[tokio::test]
async fn every_layout_is_applied_verified_reverted_and_applied_again() {
    for fixture in FIXTURES {
        go(fixture).await;
    }
    let missing: Vec<&str> = Layout::ALL.iter().map(|l| l.name()).filter(|name| !FIXTURES.iter().any(|f| f.layout == *name)).collect();
    assert!(missing.is_empty(), "no fixture for {missing:?}");
}
