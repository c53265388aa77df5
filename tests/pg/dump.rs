use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use migration_ledger::config::{Backup, BackupFormat};
use migration_ledger::pg::catalog::{Catalog, table_states};
use migration_ledger::pg::dump::Tools;
use migration_ledger::pg::{Access, ScratchPool, Target};

use crate::support::{TestDb, backup_config};

/// Tables with keys, row security and grants, as `migrator` owns them.
pub const SMALL: &str = "CREATE TABLE tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
    CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid REFERENCES tenants, body text);
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON notes TO app_user USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid);
    GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO app_user;
    INSERT INTO tenants (name) VALUES ('a'), ('b');
    INSERT INTO notes (tenant_id, body) SELECT id, repeat(md5(n::text), 10) FROM tenants, generate_series(1, 500) n";

pub fn tools(target: &Target) -> Tools {
    Tools::find(target.major(), &backup_config()).unwrap()
}

pub async fn restored_equals(target: &Target) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backups/one.dump");
    let tools = tools(target);
    let facts = tools.dump(target, &file, "backups/one.dump", &Backup::default()).await.unwrap();
    assert_eq!(facts.file, "backups/one.dump");
    assert_eq!(facts.bytes, std::fs::metadata(&file).unwrap().len());
    assert_eq!(facts.sha256.len(), 64);
    assert!(facts.toc_entries > 5 && facts.dump_us > 0 && facts.restore_us.is_none(), "{facts:?}");
    assert!(facts.tool.starts_with("pg_dump (PostgreSQL) "));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let pool = ScratchPool::new(target.clone(), Some(tools));
    let (copy, time) = pool.copy_of(&file, "compare").await.unwrap();
    assert!(time.unwrap() > 0);
    let session = copy.session(Access::ReadOnly).await.unwrap();
    assert_eq!(Catalog::read(&session, &[]).await.unwrap().as_dumped().fingerprint(), facts.catalog);
    assert_eq!(table_states(&session, &[]).await.unwrap(), facts.tables);
    drop(session);
    pool.close().await.unwrap();
}

#[tokio::test]
async fn a_superusers_backup_is_restored_and_equal() {
    restored_equals(&TestDb::with(SMALL).await.target("postgres").await).await;
}

#[tokio::test]
async fn a_migrators_backup_is_restored_and_equal() {
    restored_equals(&TestDb::with_as_migrator(SMALL).await.target("migrator").await).await;
}

#[tokio::test]
async fn the_facts_are_of_the_dumps_own_snapshot() {
    let db = TestDb::with(SMALL).await;
    let target = db.target("postgres").await;
    let writer = db.admin().await;
    let busy = tokio::spawn(async move {
        loop {
            writer.batch("INSERT INTO notes (body) VALUES ('late')").await.unwrap();
        }
    });
    restored_equals(&target).await;
    busy.abort();
    let late = db.admin().await.one("SELECT count(*) FROM notes WHERE body = 'late'", &[]).await.unwrap().get::<_, i64>(0);
    assert!(late > 10, "nothing was written meanwhile: nothing was shown");
}

#[tokio::test]
async fn a_truncated_dump_still_lists_and_does_not_restore() {
    let target = TestDb::with(SMALL).await.target("postgres").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.dump");
    let tools = tools(&target);
    let facts = tools.dump(&target, &file, "cut.dump", &Backup::default()).await.unwrap();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(facts.bytes * 7 / 10).unwrap();
    assert!(tools.contents(&file).await.is_ok());
    let pool = ScratchPool::new(target, Some(tools));
    let error = pool.copy_of(&file, "compare").await.err().unwrap();
    assert!(error.to_string().contains("the file ends too early"), "{error}");
    pool.close().await.unwrap();
}

#[tokio::test]
async fn a_wrapper_named_in_the_configuration_is_used() {
    let target = TestDb::with(SMALL).await.target("postgres").await;
    let folder = tempfile::tempdir().unwrap();
    let real = tools(&target);
    let wrapper = folder.path().join("pg_dump");
    let script = format!(
        "#!/bin/sh\n\"{}\" \"$@\" || exit\n[ \"$1\" = --version ] || touch '{}/used'\n",
        real.pg_dump.display(),
        folder.path().display()
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = Backup { pg_dump: Some(wrapper.clone()), pg_restore: Some(real.pg_restore.clone()), ..Backup::default() };
    let tools = Tools::find(target.major(), &config).unwrap();
    assert_eq!(tools.pg_dump, wrapper);
    tools.dump(&target, &folder.path().join("x.dump"), "x.dump", &config).await.unwrap();
    assert!(folder.path().join("used").exists());
}

/// A backup without its frame restores nowhere, and one whose contents cannot be listed is none: "not made" must leave nothing behind.
#[tokio::test]
async fn what_fails_after_the_dump_leaves_no_file_either() {
    let db = TestDb::with(&format!("{SMALL}; CREATE SCHEMA auth; CREATE TABLE auth.users (id int PRIMARY KEY)")).await;
    let target = db.target("postgres").await;
    let real = tools(&target);
    for (what, script) in [
        ("the frame", "case \"$*\" in *--no-owner*) exit 1;; esac; exec \"$real\" \"$@\""),
        (
            "the contents",
            "\"$real\" \"$@\"; for a in \"$@\"; do case \"$a\" in --file=*frame) ;; --file=*) echo harmed > \"${a#--file=}\";; esac; done",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let wrapper = folder.path().join("pg_dump");
        std::fs::write(&wrapper, format!("#!/bin/sh\nreal='{}'\n{script}\n", real.pg_dump.display())).unwrap();
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = Backup {
            pg_dump: Some(wrapper),
            pg_restore: Some(real.pg_restore.clone()),
            exclude_schemas: vec!["auth".into()],
            ..Backup::default()
        };
        let tools = Tools::find(target.major(), &config).unwrap();
        let file = folder.path().join("backups/x.dump");
        tools.dump(&target, &file, "x.dump", &config).await.unwrap_err();
        let left: Vec<_> = std::fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{what}: {left:?}");
    }
}

#[tokio::test]
async fn an_existing_file_is_not_overwritten_and_a_failed_dump_leaves_none() {
    let db = TestDb::with(&format!("{SMALL}; CREATE TABLE closed (n int); REVOKE ALL ON closed FROM PUBLIC")).await;
    let folder = tempfile::tempdir().unwrap();
    let target = db.target("postgres").await;
    let tools = tools(&target);
    let taken = folder.path().join("taken.dump");
    std::fs::write(&taken, "precious").unwrap();
    assert!(tools.dump(&target, &taken, "taken.dump", &Backup::default()).await.is_err());
    assert_eq!(std::fs::read(&taken).unwrap(), b"precious");
    let denied = folder.path().join("denied.dump");
    let error = tools.dump(&db.target("migrator").await, &denied, "denied.dump", &Backup::default()).await.unwrap_err();
    assert!(error.to_string().contains("permission denied"), "{error}");
    assert!(!denied.exists());
}

#[tokio::test]
async fn schemas_left_out_are_in_neither_dump_nor_facts() {
    let target =
        TestDb::with(r#"CREATE TABLE kept (n int); CREATE SCHEMA "a.b*"; CREATE TABLE "a.b*".t (n int)"#).await.target("postgres").await;
    let folder = tempfile::tempdir().unwrap();
    let config = Backup { exclude_schemas: vec!["a.b*".into()], ..Backup::default() };
    let tools = tools(&target);
    let file = folder.path().join("x.dump");
    let facts = tools.dump(&target, &file, "x.dump", &config).await.unwrap();
    assert_eq!(facts.tables.len(), 1);
    let contents = tools.contents(&file).await.unwrap();
    assert!(contents.contains("kept") && !contents.contains("a.b*"), "{contents}");
}

#[test]
fn an_older_client_is_an_error_that_names_both_versions() {
    let error = Tools::find(99, &Backup::default()).unwrap_err().to_string();
    assert!(error.contains("older than the server's 99") && error.contains("pg_dump here is version"), "{error}");
}

#[tokio::test]
async fn a_failing_restore_shows_no_value() {
    let target = TestDb::with(
        "CREATE TABLE other (x text); INSERT INTO other VALUES ('canary-value');
         CREATE FUNCTION known(t text) RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN IF NOT EXISTS (SELECT FROM public.zother_view WHERE x = t) THEN RAISE EXCEPTION 'unknown %', t; END IF; RETURN true; END $$;
         CREATE VIEW zother_view AS SELECT * FROM other;
         CREATE TABLE checked (x text CHECK (known(x))); INSERT INTO checked VALUES ('canary-value'); TRUNCATE other",
    )
    .await
    .target("postgres")
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.dump");
    let tools = tools(&target);
    tools.dump(&target, &file, "x.dump", &Backup::default()).await.unwrap();
    let pool = ScratchPool::new(target, Some(tools));
    let error = pool.copy_of(&file, "x").await.err().unwrap();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("canary") && shown.contains("TABLE DATA checked"), "{shown}");
    pool.close().await.unwrap();
}

/// Another major's tools, where a test run names them: a newer pair serves an older server.
#[tokio::test]
async fn a_newer_pair_serves_an_older_server() {
    let Some(bin) = std::env::var_os("LEDGER_TEST_NEWER_BIN").map(PathBuf::from) else { return };
    let target = TestDb::with(SMALL).await.target("postgres").await;
    let config = Backup { pg_dump: Some(bin.join("pg_dump")), ..Backup::default() };
    let tools = Tools::find(target.major(), &config).unwrap();
    assert!(tools.major > target.major());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.dump");
    tools.dump(&target, &file, "x.dump", &config).await.unwrap();
    let pool = ScratchPool::new(target, Some(tools.clone()));
    let empty = pool.empty("newer").await.unwrap();
    assert_eq!(tools.restore(empty.target(), &file).await.unwrap(), ["SET transaction_timeout = 0;"]);
    pool.close().await.unwrap();
}

/// A folder that several sessions write: whole, closed to others, with the sum that the procedure tells to make again, and restored like a file.
#[tokio::test]
async fn a_backup_in_a_folder_is_restored_and_equal_and_its_sum_can_be_made_by_hand() {
    let target = TestDb::with(SMALL).await.target("postgres").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("staging_migration_1_pre_migration.dump");
    let config = Backup { jobs: 2, format: BackupFormat::Directory, ..backup_config() };
    let tools = Tools::find(target.major(), &config).unwrap();
    let facts = tools.dump(&target, &file, "backups/one.dump", &config).await.unwrap();
    assert_eq!(facts.file, "backups/one.dump/");
    let sum = format!("cd '{}' && LC_ALL=C sha256sum -- * | sha256sum", file.display());
    let by_hand = std::process::Command::new("sh").args(["-c", &sum]).output().unwrap();
    assert_eq!(String::from_utf8(by_hand.stdout).unwrap(), format!("{}  -\n", facts.sha256));
    let mut bytes = 0;
    for entry in std::fs::read_dir(&file).unwrap() {
        let file = entry.unwrap().metadata().unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        bytes += file.len();
    }
    assert_eq!((facts.bytes, std::fs::metadata(&file).unwrap().permissions().mode() & 0o777), (bytes, 0o700));
    let pool = ScratchPool::new(target, Some(tools));
    let (copy, time) = pool.restored(&file.join("")).await.unwrap();
    assert!(time > 0);
    let session = copy.session(Access::ReadOnly).await.unwrap();
    assert_eq!(table_states(&session, &[]).await.unwrap(), facts.tables);
    drop(session);
    // Looked at and kept, it is what later copies are clones of.
    pool.keep(copy, &file).await.unwrap();
    let (clone, again) = pool.copy_of(&file, "clone").await.unwrap();
    assert_eq!(again, None);
    assert_eq!(table_states(&clone.session(Access::ReadOnly).await.unwrap(), &[]).await.unwrap(), facts.tables);
    pool.close().await.unwrap();
}
