use std::os::unix::fs::PermissionsExt;

use migration_ledger::config::Backup;
use migration_ledger::domain::plan::StepKind;
use migration_ledger::domain::{Product, TaskId};
use migration_ledger::pg::dump::Tools;
use migration_ledger::pg::{ScratchPool, Target};
use migration_ledger::steps::environment::probes;

use crate::dump::SMALL;
use crate::support::{TestDb, backup_config, cluster};
use crate::world::{Given, World};

/// A small database without row security, so that its owner can back it up.
const PLAIN: &str =
    "CREATE TABLE tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text); INSERT INTO tenants (name) VALUES ('a'), ('b')";

pub async fn given(target: &Target, world: &World) -> Given {
    let tools = Tools::find(target.major(), &world.config.backup).ok();
    let pool = ScratchPool::new(target.clone(), tools);
    let given = world.run_with(target, &pool).await;
    pool.close().await.unwrap();
    given
}

pub fn world(more: &str) -> World {
    let mut world = World::new("environment", more);
    let backup = backup_config();
    world.config.backup.pg_restore = Some(cluster().bin().join("pg_restore"));
    world.config.backup.pg_dump = backup.pg_dump;
    // A plan that migrates: what only somebody who migrates needs is asked.
    let mut execution = world.config.plan.tasks[0].clone();
    (execution.id, execution.uses) = (TaskId::new("EXECUTE"), StepKind::Execute);
    world.config.plan.tasks.insert(0, execution);
    let migrations = world.project.root.join("migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    std::fs::write(migrations.join("002_more.sql"), "SELECT 1;\n").unwrap();
    world
}

/// A `pg_dump` that does what the real one does, and then this to the file in `$file`.
pub fn wrapped(world: &mut World, then: &str) {
    let wrapper = world.project.root.join("pg_dump_wrapper");
    let real = world.config.backup.pg_dump.clone().unwrap();
    let script = format!(
        "#!/bin/sh\n\"{}\" \"$@\" || exit\nfor a in \"$@\"; do case \"$a\" in --file=*) file=\"${{a#--file=}}\";; esac; done\n[ -z \"$file\" ] && exit\n{then}\n",
        real.display()
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.config.backup.pg_dump = Some(wrapper);
}

#[tokio::test]
async fn a_fit_environment_passes_as_superuser_and_as_migrator() {
    for role in ["postgres", "migrator"] {
        let db = TestDb::with_as_migrator(SMALL).await;
        let given = given(&db.target(role).await, &world("[migrations]\nbaseline = \"001\"\n")).await;
        given.result.as_ref().unwrap();
        assert_eq!(given.complaints(), Vec::<String>::new(), "{role}");
        assert!(given.report.headline.ends_with(" restored and compared"), "{}", given.report.headline);
        assert_eq!(given.files(), ["environment_validation_report.md", "pre_migration_state.json", "backup_metadata.json"]);
        let Some(Product::Environment(product)) = &given.report.product else { panic!("no product") };
        assert_eq!((product.tables, product.policies, product.foreign_keys), (2, 1, 1));
        assert_eq!((product.role.as_str(), product.tls.as_str(), product.schema_version.as_deref()), (role, "local socket", Some("001")));
        let backup = product.backup.as_ref().unwrap();
        assert_eq!(backup.file, "backups/staging_migration_20260108_pre_migration.dump");
        assert!(backup.restore_us.unwrap() > 0);
        let state: serde_json::Value = serde_json::from_str(&given.file("pre_migration_state.json")).unwrap();
        assert_eq!(state["tables"][0]["table"], "public.notes");
        assert_eq!(state["tables"][0]["rows"], 1000);
        assert!(given.file("environment_validation_report.md").contains("backup-matches-source"));
    }
}

#[tokio::test]
async fn a_second_attempt_keeps_the_first_backup() {
    let target = TestDb::with(PLAIN).await.target("postgres").await;
    let world = world("[migrations]\nbaseline = \"001\"\n");
    for file in ["backups/staging_migration_20260108_pre_migration.dump", "backups/staging_migration_20260108_pre_migration-2.dump"] {
        let given = given(&target, &world).await;
        let Some(Product::Environment(product)) = &given.report.product else { panic!("no product") };
        assert_eq!(product.backup.as_ref().unwrap().file, file);
        assert!(world.project.root.join(file).exists());
    }
}

#[test]
fn a_server_of_another_major_is_a_finding() {
    assert_eq!(probes::server_version("14.9", 140_009).ok, Some(false));
    assert_eq!(probes::server_version("19beta1", 190_000).ok, Some(false));
    assert_eq!(probes::server_version("15.18", 150_018).ok, Some(true));
    assert_eq!(probes::server_version("18.1", 180_001).ok, Some(true));
}

#[test]
fn an_open_connection_over_a_network_is_a_finding() {
    assert_eq!(probes::connection(None, Some("10.0.0.7")).ok, Some(false));
    assert_eq!(probes::connection(None, Some("127.0.0.1")).ok, Some(true));
    assert_eq!(probes::connection(None, Some("::1")).ok, Some(true));
    assert_eq!(probes::connection(None, None).observed, "local socket");
}

#[tokio::test]
async fn a_client_that_is_missing_is_a_finding() {
    let target = TestDb::with(PLAIN).await.target("postgres").await;
    let mut world = world("[migrations]\nbaseline = \"001\"\n");
    world.config.backup.pg_dump = Some("/nonexistent/pg_dump".into());
    let given = given(&target, &world).await;
    let found = given.found("client-tools");
    assert!(found[0].1.contains("/nonexistent/pg_dump"), "{found:?}");
    assert!(given.outcome("backup-made").starts_with("unknown"), "{}", given.outcome("backup-made"));
    assert!(!given.files().contains(&"backup_metadata.json"));
    assert_eq!(probes::client_tools(99, &Backup::default())[0].ok, Some(false));
}

#[test]
fn a_variable_that_is_not_set_is_a_finding() {
    let rows = probes::variables(&["HERE".into(), "EMPTY".into(), "GONE".into()], |name| match name {
        "HERE" => Some("canary-secret".into()),
        "EMPTY" => Some("".into()),
        _ => None,
    });
    assert_eq!(rows.iter().map(|row| row.ok).collect::<Vec<_>>(), [Some(true), Some(false), Some(false)]);
    assert!(!format!("{rows:?}").contains("canary"));
}

#[tokio::test]
async fn too_little_room_is_a_finding() {
    let target = TestDb::with(PLAIN).await.target("postgres").await;
    let given = given(&target, &world("[migrations]\nbaseline = \"001\"\n[require]\nfree-space-factor = 1e9\n")).await;
    assert_eq!(given.found("free-space")[0].0, "backup folder");
}

#[tokio::test]
async fn a_schema_of_no_known_version_is_undecided() {
    let target = TestDb::with(PLAIN).await.target("postgres").await;
    let unknown = given(&target, &world("")).await;
    assert!(unknown.outcome("schema-version").contains("set [migrations] baseline"), "{}", unknown.outcome("schema-version"));
    let empty = given(&TestDb::empty().await.target("postgres").await, &world("")).await;
    assert_eq!(empty.outcome("schema-version"), "pass");
    assert_eq!(empty.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn a_backup_that_fails_is_a_finding() {
    let target = TestDb::with(PLAIN).await.target("postgres").await;
    let mut world = world("[migrations]\nbaseline = \"001\"\n");
    wrapped(&mut world, "echo 'pg_dump: error: canary-value' >&2; exit 1");
    let given = given(&target, &world).await;
    assert_eq!(given.outcome("backup-made"), "fail");
    assert!(given.outcome("backup-restores").starts_with("unknown"));
    assert!(!format!("{:?} {}", given.report, given.log).contains("canary"));
}

#[tokio::test]
async fn a_truncated_backup_is_a_finding() {
    let target = TestDb::with(SMALL).await.target("postgres").await;
    let mut world = world("[migrations]\nbaseline = \"001\"\n");
    wrapped(
        &mut world,
        "size=$(wc -c < \"$file\"); head -c $((size * 7 / 10)) \"$file\" > \"$file.cut\" && cat \"$file.cut\" > \"$file\" && rm \"$file.cut\"",
    );
    let given = given(&target, &world).await;
    assert_eq!(given.outcome("backup-made"), "pass", "its contents still list");
    let found = given.found("backup-restores");
    assert!(found[0].1.contains("the file ends too early"), "{found:?}");
    assert!(given.outcome("backup-matches-source").starts_with("unknown"));
    assert_eq!(given.report.headline, "the backup was not restored");
}

#[tokio::test]
async fn a_backup_that_lacks_rows_or_policies_is_a_finding() {
    let db = TestDb::with(SMALL).await;
    let mut world = world("[migrations]\nbaseline = \"001\"\n");
    // A whole archive, of a database that is not quite this one.
    let other =
        TestDb::with(&SMALL.replace("INSERT INTO notes", "DROP POLICY own ON notes; INSERT INTO notes").replace("(1, 500)", "(1, 499)"))
            .await;
    let real = world.config.backup.pg_dump.clone().unwrap();
    wrapped(&mut world, &format!("\"{}\" --format=custom --file=\"$file\" '{}'", real.display(), other.url()));
    let given = given(&db.target("postgres").await, &world).await;
    assert_eq!(given.outcome("backup-restores"), "pass");
    let found = given.found("backup-matches-source");
    let subjects: Vec<_> = found.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["catalog", "public.notes", "public.tenants", "sequence public.notes_id_seq"], "{found:?}");
    assert!(found[0].1.contains("policy public.notes.own missing in the copy"), "{found:?}");
}

#[tokio::test]
async fn a_role_that_sees_only_some_rows_is_told_so_and_gets_no_backup() {
    let db = TestDb::with(SMALL).await;
    db.admin()
        .await
        .batch("CREATE ROLE half_blind LOGIN; GRANT USAGE ON SCHEMA public TO half_blind; GRANT pg_read_all_data TO half_blind")
        .await
        .unwrap();
    let given = given(&db.target("half_blind").await, &world("[migrations]\nbaseline = \"001\"\n")).await;
    assert_eq!(given.found("role-sees-every-row"), [("public.notes".into(), "neither owner nor BYPASSRLS".into())]);
    assert_eq!(given.outcome("role-makes-scratch"), "fail");
    assert!(given.outcome("backup-made").starts_with("unknown"), "{}", given.outcome("backup-made"));
}

/// The planner looks into functions of index expressions, whatever is asked of the table. Such a database can be read on its own search path
/// alone, and its backup restores nowhere: that is the finding, and not that nothing could be established.
#[tokio::test]
async fn an_index_on_a_function_of_bare_names_is_found_where_it_breaks_the_restore() {
    let db = TestDb::with(
        "CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE notes (id serial PRIMARY KEY, body text);
         CREATE FUNCTION tone(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT t $$;
         INSERT INTO notes (body) VALUES ('a'), ('b'); CREATE INDEX notes_tone ON notes (tone(body));
         CREATE OR REPLACE FUNCTION tone(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'fine'::mood::text || t $$",
    )
    .await;
    let given = given(&db.target("postgres").await, &world("[migrations]\nbaseline = \"001\"\n")).await;
    assert_eq!(given.outcome("backup-made"), "pass");
    let found = given.found("backup-restores");
    assert!(found[0].1.ends_with("something that is needed does not exist at INDEX notes_tone"), "{found:?}");
}
