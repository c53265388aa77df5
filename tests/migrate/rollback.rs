//! CE-27: the classic lies of rollbacks, each found by name; and the way back on the target.

use migration_ledger::domain::Product;
use migration_ledger::domain::product::RollbackProduct;

use migration_ledger::steps::rollback::Fresh;

use crate::day::{Day, FILES, Given, tools};

fn product(given: &Given) -> &RollbackProduct {
    match &given.report.product {
        Some(Product::Rollback(product)) => product,
        other => panic!("no product: {other:?}, {:?}", given.result),
    }
}

fn restore(day: &Day, file: &str) {
    day.file(file, FILES.iter().find(|(name, _)| *name == file).unwrap().1);
}

#[tokio::test]
async fn a_true_way_back_passes_with_its_times() {
    let mut day = Day::new().await;
    let given = day.step("rollback").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    let product = product(&given);
    assert_eq!((product.from_version.as_str(), product.target_version.as_str()), ("004", "002"));
    assert_eq!(product.steps.iter().map(|s| s.version.as_str()).collect::<Vec<_>>(), ["004", "003"]);
    assert!(product.down_us.is_some_and(|us| us > 0) && product.up_again_us.is_some() && product.restore_us.is_some());
    assert_eq!(product.differences, Vec::<String>::new());
    assert_eq!(given.check("rollback-keeps-new-rows").rows.len(), 2, "{:?}", given.check("rollback-keeps-new-rows"));
    // Each check has the time of the work that answers it.
    assert_eq!(Some(given.check("rollback-runs").duration_us), product.down_us);
    for code in ["rollback-restores-catalog", "rollback-keeps-row-security", "rollback-keeps-data", "rollback-keeps-new-rows"] {
        assert!(given.check(code).duration_us > 500, "{code} takes sessions and queries: {} us", given.check(code).duration_us);
    }
    assert!(given.check("rollback-up-again").started > given.check("rollback-keeps-data").started);
    let script = given.file("rollback_script.sql");
    let (first, second) = (script.find("004_index.down.sql").unwrap(), script.find("003_keys.down.sql").unwrap());
    assert!(first < second && !script.contains("002_pages.down.sql"));
    assert!(given.file("rollback_test_results.json").contains("rollback-keeps-data"));
    day.close().await;
}

#[tokio::test]
async fn a_down_script_that_does_nothing_is_found_by_what_it_leaves() {
    let mut day = Day::new().await;
    day.file("004_index.down.sql", "select 1;");
    let given = day.step("rollback").await;
    assert_eq!(given.word("rollback-runs"), "pass");
    assert_eq!(given.found("rollback-restores-catalog"), ["public.docs_tenant"]);
    assert!(given.observed("rollback-restores-catalog").contains("left behind"));
    assert_eq!(given.found("rollback-keeps-data"), ["public.notes"]);
    assert_eq!(given.found("rollback-up-again"), ["004_index.sql:1"]);
    assert!(!product(&given).differences.is_empty());
    restore(&day, "004_index.down.sql");
    assert_eq!(day.step("rollback").await.complaints(), Vec::<String>::new());
    day.close().await;
}

#[tokio::test]
async fn a_down_script_that_loses_data_is_found_by_its_tables() {
    let mut day = Day::new().await;
    day.file(
        "004_index.down.sql",
        "truncate public.notes;\nupdate public.docs set title = null where title = 'title 7';\ndrop index public.docs_tenant;",
    );
    let given = day.step("rollback").await;
    assert_eq!(given.word("rollback-runs"), "pass");
    assert_eq!(given.found("rollback-keeps-data"), ["public.docs", "public.notes"]);
    assert_eq!(given.word("rollback-restores-catalog"), "pass");
    day.close().await;
}

#[tokio::test]
async fn a_down_script_that_loses_only_new_rows_is_found_by_its_witness() {
    let mut day = Day::new().await;
    // Put back from a copy that the migration made: everything old is there, and everything new is gone.
    day.file("004_index.sql", "create table public.docs_before as table public.docs;\ncreate index docs_tenant on public.docs (tenant);");
    day.file("004_index.down.sql", "delete from public.docs;\ninsert into public.docs table public.docs_before;\ndrop table public.docs_before;\ndrop index public.docs_tenant;");
    let given = day.step("rollback").await;
    assert_eq!(given.word("rollback-keeps-data"), "pass");
    assert_eq!(given.found("rollback-keeps-new-rows"), ["public.docs"]);
    day.close().await;
}

#[tokio::test]
async fn a_down_script_that_takes_away_row_security_is_the_worst_finding() {
    let mut day = Day::new().await;
    day.file("004_index.down.sql", "delete from public.notes where body = 'migrated';\ndrop index public.docs_tenant;\ndrop policy own on public.docs;\nalter table public.docs disable row level security;");
    let given = day.step("rollback").await;
    let mut found = given.found("rollback-keeps-row-security");
    found.sort();
    assert_eq!(found, ["public.docs", "public.docs.own"]);
    assert_eq!(given.word("rollback-restores-catalog"), "pass");
    assert_eq!(given.word("rollback-keeps-data"), "pass");
    day.close().await;
}

#[tokio::test]
async fn a_down_script_that_fails_or_is_missing_is_named() {
    let mut day = Day::new().await;
    day.file("003_keys.down.sql", "select 1;\nalter table public.pages drop constraint nothing_of_the_name;");
    let given = day.step("rollback").await;
    assert_eq!(given.found("rollback-runs"), ["003_keys.down.sql:2"]);
    assert_eq!(given.word("rollback-keeps-data"), "unknown");
    assert_eq!(product(&given).down_us, None);

    day.remove("003_keys.down.sql");
    let given = day.step("rollback").await;
    assert_eq!(given.found("rollback-documented"), ["003_keys.sql"]);
    assert!(given.observed("rollback-documented").contains("the only way back is the backup"));
    assert_eq!(given.word("rollback-runs"), "unknown");
    assert_eq!(product(&given).no_way_back, ["003"]);
    assert!(given.file("rollback_script.sql").contains("version 003 has no down script"));
    restore(&day, "003_keys.down.sql");
    assert_eq!(day.step("rollback").await.complaints(), Vec::<String>::new());
    day.close().await;
}

#[tokio::test]
async fn where_there_is_nothing_to_try_nothing_passes() {
    let mut day = Day::new().await;
    day.file("003_keys.sql", "select 1 from public.nowhere;");
    let given = day.step("rollback").await;
    assert!(given.check("rollback-runs").outcome.why().unwrap().starts_with("the way up ends early: 003_keys.sql:1:"));
    restore(&day, "003_keys.sql");

    day.config("[migrations]\nbaseline = \"001\"\n[rollback]\ntarget-version = \"077\"\n");
    assert!(day.step("rollback").await.result.unwrap_err().to_string().contains("077 is no migration"));
    day.config("[migrations]\nbaseline = \"001\"\n[rollback]\ntarget-version = \"004\"\n");
    assert_eq!(day.step("rollback").await.word("rollback-documented"), "unknown");

    // A backup from after the migrations has no earlier state to compare with.
    day.config("[migrations]\nbaseline = \"001\"\n[rollback]\ntarget-version = \"002\"\n");
    day.step("scripts").await;
    day.step("execute").await;
    day.back_up().await;
    let given = day.step("rollback").await;
    assert!(given.check("rollback-keeps-data").outcome.why().unwrap().contains("already holds version 003"));
    day.close().await;
}

#[tokio::test]
async fn the_target_goes_back_behind_a_fresh_backup_and_up_again() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    assert_eq!(day.step("execute").await.complaints(), Vec::<String>::new());
    let given = day.roll_back("2").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    for code in ["rollback-backed-up", "rollback-runs", "rollback-reached"] {
        assert_eq!(given.word(code), "pass", "{code}");
    }
    assert_eq!(day.count("select count(*) from ledger.schema_history where version > '002'").await, 0);
    assert_eq!(day.count("select count(*) from public.notes").await, 50);
    assert!(given.file("pre_rollback_backup_metadata.json").contains("sha256"));
    assert!(day.roll_back("002").await.result.unwrap_err().to_string().contains("nothing above version 002 is applied"));
    // The old backup speaks of another state than the target is in now.
    let stale = day.step("scripts").await;
    assert!(stale.check("dry-run-applies").outcome.why().unwrap().contains("the backup is at 001, the target is at 002"));
    day.back_up().await;
    assert_eq!(day.step("scripts").await.complaints(), Vec::<String>::new());
    assert_eq!(day.step("execute").await.complaints(), Vec::<String>::new());

    // A way back that stops in the middle says where the target is.
    day.file("003_keys.down.sql", "select 1 from public.nowhere;");
    let given = day.roll_back("002").await;
    assert_eq!(given.found("rollback-runs"), ["003_keys.down.sql:1"]);
    assert_eq!(given.found("rollback-reached"), ["schema version"]);
    assert_eq!(given.observed("rollback-reached"), "003");
    day.remove("003_keys.down.sql");
    let error = day.roll_back("002").await.result.unwrap_err().to_string();
    assert_eq!(error, "version 003 has no down script; nothing was reverted");
    assert_eq!(day.count("select count(*) from ledger.schema_history where version = '003'").await, 1);
    day.close().await;
}

#[tokio::test]
async fn without_a_backup_nothing_is_reverted() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    day.step("execute").await;
    day.config("[migrations]\nbaseline = \"001\"\n[backup]\npg-dump = \"/nonexistent/pg_dump\"\n");
    assert!(day.roll_back("002").await.result.is_err());
    assert_eq!(day.count("select count(*) from ledger.schema_history where version > '002'").await, 2);
    day.close().await;
}

/// Rows that break a validated key: the backup is made, and restores nowhere.
#[tokio::test]
async fn behind_a_backup_that_does_not_restore_nothing_is_reverted_unless_that_is_asked_for() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    day.step("execute").await;
    let broken = "set session_replication_role = replica; insert into public.pages values (gen_random_uuid(), gen_random_uuid())";
    day.db.admin().await.batch(broken).await.unwrap();
    let given = day.roll_back("002").await;
    let error = given.result.unwrap_err();
    assert!(error.to_string().contains("could not be restored") && error.to_string().contains("nothing was reverted"), "{error}");
    assert_eq!(given.report.evidence.iter().find(|e| e.check.as_str() == "rollback-backed-up").unwrap().outcome.word(), "unknown");
    assert_eq!(day.count("select count(*) from ledger.schema_history where version > '002'").await, 2);

    day.fresh = Fresh::Made;
    let given = day.roll_back("002").await;
    given.result.as_ref().unwrap();
    assert!(given.check("rollback-backed-up").rows.iter().any(|row| row.ok.is_none() && row.observed.contains("not restored")));
    assert_eq!(given.word("rollback-backed-up"), "unknown");
    assert_eq!(given.word("rollback-reached"), "pass");
    day.close().await;
}

/// At the version of the backup from before the migrations the target has to look like it.
#[tokio::test]
async fn the_target_is_held_against_the_backup_from_before() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    day.step("execute").await;
    let given = day.roll_back("001").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    assert_eq!((given.word("rollback-restores-catalog"), given.word("rollback-keeps-row-security")), ("pass", "pass"));
    day.back_up().await;
    day.step("scripts").await;
    day.step("execute").await;
    day.file("002_pages.down.sql", "drop table public.pages;\nalter table public.docs no force row level security;\n");
    let given = day.roll_back("001").await;
    given.result.as_ref().unwrap();
    assert_eq!(given.word("rollback-reached"), "pass");
    assert_eq!(given.found("rollback-restores-catalog"), ["public.docs.pages"]);
    assert_eq!(given.found("rollback-keeps-row-security"), ["public.docs"]);
    day.close().await;
}

#[tokio::test]
async fn the_rollback_script_runs_in_psql() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    day.step("execute").await;
    let script = day.step("rollback").await.file("rollback_script.sql");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let psql = tools(&day.target).pg_dump.with_file_name("psql");
    let output =
        std::process::Command::new(psql).arg("--no-psqlrc").arg("--file").arg(file.path()).arg(day.db.url_as("migrator")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(day.count("select count(*) from ledger.schema_history where version > '002'").await, 0);
    assert_eq!(day.count("select count(*) from public.notes").await, 50);
    day.close().await;
}
