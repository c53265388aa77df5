//! The reference staging application: its ways down restore what was there, its verify scripts can fail, its data is sound.

mod support;

use std::path::Path;

use migration_ledger::config::Migrations;
use migration_ledger::demo::files;
use migration_ledger::migrate::{ApplyOptions, MigrationSet, apply_to, revert, verify};
use migration_ledger::pg::Session;
use migration_ledger::pg::catalog::{Catalog, diff_states, table_states};
use support::TestDb;

fn set() -> MigrationSet {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts");
    let set = MigrationSet::read(&folder, "auto").expect("a folder of migrations");
    assert_eq!(set.migrations.len(), 5);
    set
}

fn options() -> ApplyOptions {
    ApplyOptions::of(&Migrations::default(), "test")
}

async fn up_to(session: &Session, set: &MigrationSet, version: &str) {
    for applied in apply_to(session, set, Some(version), &options()).await.expect("a history") {
        assert!(applied.failure.is_none(), "{:?}", applied.failure);
    }
}

async fn at(version: &str, rows: u32) -> (TestDb, Session) {
    let db = TestDb::empty().await;
    let session = db.session("migrator").await;
    up_to(&session, &set(), "001").await;
    let seeding = db.session("migrator").await;
    seeding.batch(&format!("SET ledger_demo.rows = {rows};\n{}", files::SEED)).await.expect("seeded");
    up_to(&session, &set(), version).await;
    (db, session)
}

#[tokio::test]
async fn there_are_fourteen_tables_and_every_tenant_has_rows_in_each() {
    let (db, session) = at("005", 60).await;
    let admin = db.admin().await;
    let tables = admin
        .query("SELECT relname::text FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'", &[])
        .await
        .expect("tables");
    assert_eq!(tables.len(), 14);
    let tenants: Vec<String> =
        admin.query("SELECT id::text FROM public.tenants", &[]).await.expect("tenants").iter().map(|row| row.get(0)).collect();
    assert_eq!(tenants.len(), 3);
    drop(session);
    for tenant in tenants {
        let session = db.session("migrator").await;
        session.batch(&format!("SET app.tenant_id = '{tenant}'; SET ROLE app_user")).await.expect("a tenant's session");
        for row in &tables {
            let table: String = row.get(0);
            let seen: i64 = session.one(&format!("SELECT pg_catalog.count(*) FROM public.{table}"), &[]).await.expect("rows").get(0);
            assert!(seen > 0, "{tenant} has no row in {table}");
        }
    }
}

#[tokio::test]
async fn the_seed_is_the_same_every_time_and_lies_in_the_past() {
    let (one, _session) = at("001", 60).await;
    let (two, _session) = at("001", 60).await;
    let states = |db: TestDb| async move { table_states(&db.admin().await, &["ledger".to_owned()]).await.expect("states") };
    let (first, second) = (states(one).await, states(two).await);
    // Sequences apart, whose state is no row.
    assert_eq!(diff_states(&first, &second), Vec::<String>::new());
    let (db, _session) = at("001", 3_000).await;
    let future = "SELECT pg_catalog.count(*) FROM public.ai_usage_logs WHERE created_at >= timestamptz '2026-01-01'";
    assert_eq!(db.admin().await.one(future, &[]).await.expect("a count").get::<_, i64>(0), 0);
}

#[tokio::test]
async fn every_way_down_restores_exactly_what_was_there_and_keeps_the_rows() {
    let set = set();
    let (db, session) = at("001", 60).await;
    let admin = db.admin().await;
    for migration in set.migrations.iter().skip(1) {
        let excluded = ["ledger".to_owned()];
        let catalog = Catalog::read(&admin, &excluded).await.expect("a catalog");
        let states = table_states(&admin, &excluded).await.expect("states");
        up_to(&session, &set, &migration.version).await;
        assert!(
            !catalog.diff(&Catalog::read(&admin, &excluded).await.expect("a catalog")).is_empty(),
            "{} changes nothing",
            migration.version
        );
        let back = revert::revert_one(&session, migration, &options(), &mut |_| {}).await;
        assert!(back.done(), "{}: {back:?}", migration.version);
        let diff = catalog.diff(&Catalog::read(&admin, &excluded).await.expect("a catalog"));
        assert!(diff.is_empty(), "{} leaves {diff:?}", migration.version);
        assert_eq!(diff_states(&states, &table_states(&admin, &excluded).await.expect("states")), Vec::<String>::new());
        up_to(&session, &set, &migration.version).await;
    }
    let first = set.migrations.first().expect("001");
    for migration in set.migrations.iter().rev() {
        assert!(revert::revert_one(&session, migration, &options(), &mut |_| {}).await.done(), "{}", migration.version);
    }
    assert_eq!(first.version, "001");
    let left = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(admin.one(left, &[]).await.expect("a count").get::<_, i64>(0), 0);
}

#[tokio::test]
async fn every_verify_script_holds_and_fails_when_its_promise_is_broken() {
    let breaks = [
        ("001", "REVOKE DELETE ON public.wbs_items FROM app_user"),
        ("001", "ALTER TABLE public.alerts ALTER COLUMN tenant_id DROP NOT NULL"),
        ("002", "ALTER TABLE public.clauses NO FORCE ROW LEVEL SECURITY"),
        ("002", "ALTER TABLE public.clauses DISABLE ROW LEVEL SECURITY"),
        ("002", "DROP POLICY users_delete ON public.users"),
        ("003", "ALTER TABLE public.bom_items DROP CONSTRAINT bom_items_wbs_item_id_fkey"),
        ("004", "DROP INDEX public.alerts_inbox_idx"),
        ("005", "ALTER TABLE public.users DISABLE TRIGGER users_audit"),
        ("005", "ALTER FUNCTION public.record_change() RESET search_path"),
    ];
    let set = set();
    let (db, _session) = at("005", 20).await;
    let admin = db.admin().await;
    for migration in &set.migrations {
        let held = verify::verify(&admin, migration).await;
        assert!(matches!(held, Ok(Some(_))), "{}: {held:?}", migration.version);
    }
    for (version, broken) in breaks {
        let (db, _session) = at("005", 20).await;
        let admin = db.admin().await;
        admin.batch(broken).await.expect("broken");
        let migration = set.find(version).expect("a migration");
        assert!(verify::verify(&admin, migration).await.is_err(), "{version} does not mind: {broken}");
    }
}

#[tokio::test]
async fn changes_leave_an_audit_line_of_their_tenant_without_values() {
    let (db, _session) = at("005", 20).await;
    let session = db.session("migrator").await;
    session
        .batch(
            "SELECT pg_catalog.set_config('app.tenant_id', id::text, false) FROM public.tenants ORDER BY name LIMIT 1; SET ROLE app_user;
             UPDATE public.documents SET title = 'a secret title' WHERE id = (SELECT id FROM public.documents ORDER BY id LIMIT 1)",
        )
        .await
        .expect("an update");
    let lines = session
        .query("SELECT action, table_name, changed_columns, audit_logs::text FROM public.audit_logs WHERE actor <> 'import'", &[])
        .await
        .expect("lines");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].get::<_, String>(0), "update");
    assert_eq!(lines[0].get::<_, String>(1), "documents");
    assert_eq!(lines[0].get::<_, Vec<String>>(2), ["title"]);
    assert!(!lines[0].get::<_, String>(3).contains("secret"));

    // A tenant can go with everything it has: the audit does not stand in the way.
    let admin = db.admin().await;
    admin.batch("DELETE FROM public.tenants WHERE name = 'Borealis Rail'").await.expect("deleted");
    let left: i64 = admin.one("SELECT pg_catalog.count(*) FROM public.clauses", &[]).await.expect("a count").get(0);
    assert_eq!(left, 40);
}
