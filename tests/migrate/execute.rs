//! CE-22 on the target: what is applied, what stops it, and what the database then is.

use migration_ledger::domain::Product;
use migration_ledger::domain::product::ExecuteProduct;
use migration_ledger::migrate::lock::RunnerLock;

use crate::day::{Day, Given, tools};

fn product(given: &Given) -> &ExecuteProduct {
    match &given.report.product {
        Some(Product::Execute(product)) => product,
        other => panic!("no product: {other:?}, {:?}", given.result),
    }
}

fn replace_backup_tool(folder: &std::path::Path, script: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("pg_dump");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn pending_files_are_applied_verified_recorded_and_backed_up() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    let given = day.step("execute").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    let product = product(&given);
    assert!(product.completed);
    assert_eq!((product.schema_before.as_deref(), product.schema_after.as_deref()), (Some("001"), Some("004")));
    assert_eq!(
        product.files.iter().map(|f| (f.version.as_str(), f.applied)).collect::<Vec<_>>(),
        [("002", true), ("003", true), ("004", true)]
    );
    assert_eq!(product.files[2].statements[1].rows, Some(50));
    assert!(product.catalog_changes.iter().any(|line| line.contains("docs_tenant added")), "{:?}", product.catalog_changes);
    assert!(!product.catalog_changes.iter().any(|line| line.contains("schema_history")));
    let backup = product.backup.as_ref().unwrap();
    assert!(backup.restore_us.is_some_and(|us| us > 0) && backup.tables.iter().any(|t| t.table == "public.notes" && t.rows == 100));
    assert_eq!(given.file("schema_version_before.txt"), "001\n");
    assert_eq!(given.file("schema_version_after.txt"), "004\n");
    assert!(given.file("post_migration_state.json").contains("public.notes"));
    assert!(given.file("post_backup_metadata.json").contains(&backup.sha256));
    assert!(given.log.contains("004_index.sql:2 statement 2 INSERT INTO public.notes"), "{}", given.log);
    assert_eq!(day.count("select count(*) from ledger.schema_history where run = 'staging_migration_20260108'").await, 3);

    // The same run again: applied earlier, verified again. Another run: nothing to say.
    let again = day.step("execute").await;
    assert_eq!(again.complaints(), Vec::<String>::new());
    assert!(again.check("migrations-applied").rows.iter().all(|row| row.observed.starts_with("applied earlier in this run, at 20")));
    day.run = migration_ledger::domain::RunId::new("staging_migration_20260109");
    let other = day.step("execute").await;
    assert_eq!(other.check("migrations-applied").outcome.why(), Some("nothing is pending: the target is at 004"));
    day.close().await;
}

#[tokio::test]
async fn rows_that_only_the_target_has_stop_it_with_the_state_said() {
    let mut day = Day::new().await;
    day.file("003_keys.sql", "alter table public.notes add constraint notes_doc foreign key (doc) references public.docs (id);");
    day.file("003_keys.down.sql", "alter table public.notes drop constraint notes_doc;");
    day.remove("003_keys.verify.sql");
    assert_eq!(day.step("scripts").await.complaints(), Vec::<String>::new());
    day.hands().await.batch("insert into public.notes (doc, body) values (md5('canary')::uuid, 'canary')").await.unwrap();
    let given = day.step("execute").await;
    assert_eq!(given.found("migrations-applied"), ["003_keys.sql:1"]);
    let observed = given.observed("migrations-applied");
    assert!(observed.contains("statement 1 (ALTER TABLE public.notes ADD CONSTRAINT notes_doc FOREIGN KEY)"), "{observed}");
    assert!(observed.contains("SQLSTATE 23503") && observed.ends_with("State: 002 applied; 003 rolled back; 004 not tried"), "{observed}");
    let product = product(&given);
    assert!(!product.completed && product.backup.is_none());
    assert_eq!(product.schema_after.as_deref(), Some("002"));
    assert_eq!(given.word("migrations-verified"), "unknown");
    assert_eq!(given.found("schema-version-updated"), ["schema version"]);
    assert_eq!(given.word("post-migration-backup-made"), "unknown");
    assert!(!given.log.contains("canary") && !format!("{:?}", given.report).contains("canary"));

    // Mended on the target, the same run goes on where it stopped.
    day.hands().await.batch("delete from public.notes where body = 'canary'").await.unwrap();
    assert_eq!(day.step("execute").await.complaints(), Vec::<String>::new());
    day.close().await;
}

#[tokio::test]
async fn a_verify_script_that_does_not_hold_on_the_target_stops_it() {
    let mut day = Day::new().await;
    day.file("002_pages.verify.sql", "select count(*) = 50 from public.notes;");
    assert_eq!(day.step("scripts").await.complaints(), Vec::<String>::new());
    day.hands().await.batch("insert into public.notes (doc) select id from public.docs limit 1").await.unwrap();
    let given = day.step("execute").await;
    assert_eq!(given.found("migrations-verified"), ["002_pages.verify.sql:1"]);
    assert_eq!(product(&given).schema_after.as_deref(), Some("002"));
    assert!(!product(&given).completed);
    day.close().await;
}

#[tokio::test]
async fn a_file_changed_after_its_examination_is_not_run() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    day.file("003_keys.sql", "drop table public.docs;");
    let given = day.step("execute").await;
    assert_eq!(given.found("files-as-examined"), ["003_keys.sql"]);
    assert_eq!(given.word("migrations-applied"), "unknown");
    assert!(!product(&given).completed);
    assert_eq!(day.count("select count(*) from pg_catalog.pg_namespace where nspname = 'ledger'").await, 0);
    day.products.pop();
    day.close().await;
}

#[tokio::test]
async fn without_examined_scripts_nothing_is_run() {
    let mut day = Day::new().await;
    let error = day.step("execute").await.result.unwrap_err();
    assert_eq!(error.to_string(), "the migration scripts were not examined in this run");
    day.close().await;
}

#[tokio::test]
async fn a_table_that_is_locked_is_waited_for_and_tried_again() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    // Long enough for a busy machine.
    day.config("[migrations]\nbaseline = \"001\"\nlock-timeout-ms = 500\nretries = 10\n");
    let other = day.hands().await;
    other.batch("begin; lock table public.docs in access share mode").await.unwrap();
    let free = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        other.batch("commit").await.unwrap();
    });
    let given = day.step("execute").await;
    free.await.unwrap();
    assert_eq!(given.complaints(), Vec::<String>::new());
    assert!(product(&given).files[0].attempts >= 2, "{:?}", product(&given).files[0]);
    assert!(
        given.log.contains("002_pages.sql: this migration waits for process ")
            && given.log.contains("(ledger-test, migrator, idle in transaction)")
    );
    assert!(given.log.contains("SQLSTATE 55P03") && given.log.contains("next attempt in"), "{}", given.log);
    day.close().await;
}

#[tokio::test]
async fn a_table_that_stays_locked_ends_it_after_the_retries() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    let other = day.hands().await;
    other.batch("begin; lock table public.docs in access share mode").await.unwrap();
    let given = day.step("execute").await;
    assert_eq!(product(&given).files[0].attempts, 3);
    assert!(given.observed("migrations-applied").contains("SQLSTATE 55P03"));
    assert!(given.observed("migrations-applied").ends_with("State: 002 rolled back; 003, 004 not tried"));
    other.batch("commit").await.unwrap();
    day.close().await;
}

#[tokio::test]
async fn one_runner_at_a_time() {
    let day = Day::new().await;
    let lock = RunnerLock::take(&day.target, std::time::Duration::ZERO).await.unwrap();
    let error = RunnerLock::take(&day.target, std::time::Duration::from_millis(300)).await.err().unwrap().to_string();
    assert!(error.starts_with("another run holds the migration lock (process "), "{error}");
    assert!(error.contains("ledger/test"), "{error}");
    lock.release().await.unwrap();
    RunnerLock::take(&day.target, std::time::Duration::ZERO).await.unwrap();
    day.close().await;
}

#[tokio::test]
async fn a_partial_file_outside_of_a_transaction_says_what_stays() {
    let mut day = Day::new().await;
    day.file("004_index.sql", "create index concurrently docs_tenant on public.docs (tenant);\ncreate unique index concurrently docs_title on public.docs (title);\n");
    day.file("004_index.down.sql", "drop index concurrently public.docs_tenant;\ndrop index concurrently public.docs_title;\n");
    assert_eq!(day.step("scripts").await.complaints(), Vec::<String>::new());
    day.hands().await.batch("update public.docs set title = 'twice' where title in ('title 1', 'title 2')").await.unwrap();
    let given = day.step("execute").await;
    assert_eq!(given.found("migrations-applied"), ["004_index.sql:2"]);
    assert!(
        given
            .observed("migrations-applied")
            .ends_with("State: 002, 003 applied; 004 not in a transaction: its statement 1 stays, the next run goes on at 2")
    );
    assert_eq!(given.found("invalid-index-left"), ["public.docs_title"]);
    day.close().await;
}

#[tokio::test]
async fn a_history_that_was_edited_is_found() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    assert_eq!(day.step("execute").await.word("history-consistent"), "pass");
    let hands = day.hands().await;
    hands.batch("insert into ledger.schema_history (version, name, run, execution_us) values ('0035', 'ghost', 'x', 0); update ledger.schema_history set up_sha256 = 'x' where version = '002'").await.unwrap();
    assert_eq!(day.step("execute").await.found("history-consistent"), ["002_pages.sql", "0035 ghost"]);
    hands.batch("delete from ledger.schema_history where version = '004'").await.unwrap();
    day.file("004_index.sql", "select 1;");
    day.close().await;
}

#[tokio::test]
async fn a_backup_that_is_cut_short_is_not_taken_for_one() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    let folder = tempfile::tempdir().unwrap();
    let real = tools(&day.target);
    // A dump whose last third is lost still lists its contents.
    let script = format!(
        "#!/bin/sh\nfor a in \"$@\"; do case $a in --version|-V) exec {0} --version;; --file=*) f=${{a#--file=}};; esac; done\n{0} \"$@\" || exit $?\n[ -n \"$f\" ] && truncate -s -900 \"$f\"\nexit 0\n",
        real.pg_dump.display()
    );
    let wrapper = replace_backup_tool(folder.path(), &script);
    day.config(&format!(
        "[migrations]\nbaseline = \"001\"\n[backup]\npg-dump = \"{}\"\npg-restore = \"{}\"\n",
        wrapper.display(),
        real.pg_restore.display()
    ));
    let given = day.step("execute").await;
    assert_eq!(given.word("migrations-applied"), "pass");
    assert_eq!(given.word("post-migration-backup-made"), "pass");
    assert_eq!(given.word("post-migration-backup-restores"), "fail", "{:?}", given.check("post-migration-backup-restores"));

    std::fs::write(&wrapper, "#!/bin/sh\ncase $1 in --version|-V) echo 'pg_dump (PostgreSQL) 99.0';; *) exit 1;; esac\n").unwrap();
    assert_eq!(day.step("execute").await.word("post-migration-backup-made"), "unknown");
    day.close().await;
}
