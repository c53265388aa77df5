//! What CE-20 and CE-21 say of an environment that is not fit: recorded, with the reason, and never a pass.

use std::os::unix::fs::PermissionsExt;

use migration_ledger::demo;

use crate::harness::Ran;
use crate::staged::{Staged, as_superuser, scratch_databases, shared};
use crate::support;

/// Asserts what a recorded task came to: the exit code, and a line that says all of this.
#[track_caller]
fn assert_said(ran: &Ran, code: i32, parts: &[&str]) {
    assert_eq!(ran.code, code, "{}\n{}", ran.stdout, ran.stderr);
    let said = ran.stderr.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(said && !ran.stderr.contains("panicked"), "no line with {parts:?} in:\n{}", ran.stderr);
}

#[test]
fn pg_dump_is_missing() {
    let staged = Staged::on(shared());
    staged.edit("# pg-dump = ", "pg-dump = \"tools/no-such-pg_dump\" # ");
    let ran = staged.ledger(&["run", "--only", "CE-20"]);
    assert_said(&ran, 10, &["client-tools", "tools/no-such-pg_dump"]);
    assert_said(&ran, 10, &["backup-made", "not established", "tools/no-such-pg_dump"]);
    assert_eq!(staged.ledger(&["status"]).code, 10);
}

#[test]
fn pg_dump_is_older_than_the_server() {
    let staged = Staged::on(shared());
    let wrapper = staged.project.write("tools/old_pg_dump", "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n");
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).expect("executable");
    // Relative to the project, wherever the command is run.
    staged.edit("# pg-dump = ", "pg-dump = \"tools/old_pg_dump\" # ");
    let folder = staged.project.path().display().to_string();
    let ran: Ran = staged.command(&["-C", &folder, "run", "--only", "CE-20"]).current_dir("/").output().expect("ledger starts").into();
    let older = format!("is version 9, older than the server's {}", shared().cluster().postgres().major);
    assert_said(&ran, 10, &["client-tools", "tools/old_pg_dump", &older]);
    let shown = staged.ledger(&["show", "CE-20"]);
    assert!(shown.stdout.contains(&older), "{}", shown.stdout);
}

#[test]
fn a_role_without_privilege_is_told_which_one_it_lacks() {
    let stage = shared();
    as_superuser(stage, "CREATE ROLE onlooker LOGIN");
    let staged = Staged::on(stage);
    staged.connects_to(&stage.cluster().url_as("onlooker", demo::DATABASE));
    let ran = staged.ledger(&["run", "--only", "CE-20"]);
    assert_said(&ran, 10, &["role-reads-everything", "no SELECT"]);
    assert_said(&ran, 10, &["FAIL", "CE-20", "stopped: permission denied"]);
    let shown = staged.ledger(&["show", "CE-20"]).stdout;
    for lacks in ["role-makes-scratch", "public.clauses: no SELECT"] {
        assert!(shown.contains(lacks), "no {lacks} in:\n{shown}");
    }
    // What is wrong stands first, then what passed in a line each, then what the entry holds.
    let at = |what: &str| shown.find(what).unwrap_or_else(|| panic!("no {what} in:\n{shown}"));
    assert!(at("Result   fail") < at("FAIL  role-makes-scratch") && at("FAIL  role-makes-scratch") < at("\nPassed"), "{shown}");
    assert!(at("\nPassed") < at("\nParts") && at("\n  connection-encrypted") < at("\nParts"), "{shown}");
    let migrated = staged.ledger(&["run", "--from", "CE-21", "--confirm", demo::DATABASE]);
    assert_said(&migrated, 10, &["SKIPPED", "CE-22"]);
    // Before the execution the run says what nobody has vouched for.
    assert_said(
        &migrated,
        10,
        &["nobody has vouched for: verify-backup-strategy, go-no-go-meeting", "ledger attest verify-backup-strategy"],
    );
}

#[test]
fn scratch_copies_are_made_on_the_server_that_is_named_for_them() {
    let stage = shared();
    as_superuser(stage, "CREATE ROLE lodger LOGIN BYPASSRLS NOCREATEDB; GRANT migrator TO lodger");
    let staged = Staged::on(stage);
    staged.connects_to(&stage.cluster().url_as("lodger", demo::DATABASE));
    assert_said(&staged.ledger(&["run", "--only", "CE-20"]), 10, &["role-makes-scratch", "lodger"]);
    staged.edit("# [scratch]", "[scratch] #");
    staged.edit("# url-env = \"SCRATCH_DATABASE_URL\"", "url-env = \"SCRATCH_DATABASE_URL\"");
    let elsewhere = support::cluster().url_as("migrator", "postgres");
    let ran: Ran = staged.command(&["run", "--dry-run"]).env("SCRATCH_DATABASE_URL", elsewhere).output().expect("ledger starts").into();
    assert_said(&ran, 11, &["PASS", "CE-20", "restored and compared"]);
    assert_said(&ran, 11, &["PASS", "CE-21", "run in a scratch copy"]);
}

#[test]
fn scratch_copies_can_be_made_in_a_throwaway_cluster() {
    let stage = shared();
    as_superuser(stage, "CREATE ROLE roomless LOGIN BYPASSRLS NOCREATEDB; GRANT migrator TO roomless");
    let staged = Staged::on(stage);
    staged.connects_to(&stage.cluster().url_as("roomless", demo::DATABASE));
    staged.edit("# [scratch]", "[scratch] #");
    staged.edit("# url-env = \"SCRATCH_DATABASE_URL\"", "kind = \"local\" #");
    let bin = stage.cluster().bin().display().to_string();
    let ran: Ran = staged.command(&["run", "--dry-run"]).env("LEDGER_PG_BIN", bin).output().expect("ledger starts").into();
    assert_said(&ran, 11, &["PASS", "CE-20", "restored and compared"]);
    assert_said(&ran, 11, &["PASS", "CE-21", "run in a scratch copy"]);
}

/// A head in the target's own table, as CE-22 leaves it, tells a shortened ledger from the real one.
#[test]
fn the_head_that_the_target_holds_is_an_anchor() {
    let stage = shared();
    let staged = Staged::on(stage);
    let (admin, url) = (stage.cluster().url("postgres"), stage.cluster().url_as("migrator", "anchored"));
    staged.connects_to(&url);
    support::blocking(
        async move { support::connect(&admin).await.batch("CREATE DATABASE anchored OWNER migrator").await.expect("a database") },
    );
    staged.ledger(&["anchor", "from-database"]).assert_error(3, "holds no head of this ledger", "", "anchor = true");

    let db = staged.project.path().join("evidence/ledger.db");
    let cut_off = staged.project.path().join("shorter.db");
    std::fs::copy(&db, &cut_off).expect("copied");
    staged.project.write("seen.txt", "seen elsewhere\n");
    assert_eq!(staged.ledger(&["record", "CE-20", "seen.txt"]).code, 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = migration_ledger::chain::Store::open(&db).expect("a ledger");
        let target = migration_ledger::pg::Target::open(migration_ledger::pg::ConnectSpec::parse(&url).expect("a URL"), "ledger/test");
        let target = target.await.expect("the target");
        assert_eq!(migration_ledger::run::anchor::write(&store, &target).await, Ok(store.len().expect("a length")));
    });
    let kept = staged.ledger(&["anchor", "from-database"]);
    assert_eq!((kept.code, kept.stdout.as_str()), (0, staged.ledger(&["checkpoint"]).stdout.as_str()), "{}", kept.stderr);
    staged.project.write("head", &kept.stdout);
    let verified = staged.ledger(&["verify", "--anchor", "head"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    let shorter = staged.ledger(&["verify", "shorter.db", "--anchor", "head", "--no-state"]);
    assert_eq!(shorter.code, 20, "{}{}", shorter.stdout, shorter.stderr);
    assert!(format!("{}{}", shorter.stdout, shorter.stderr).contains("TRUNCATED"), "{}{}", shorter.stdout, shorter.stderr);
}

#[test]
fn an_empty_folder_of_migrations_is_not_a_pass() {
    let staged = Staged::on(shared());
    let folder = staged.project.path().join("migrations");
    std::fs::remove_dir_all(&folder).expect("removed");
    std::fs::create_dir(&folder).expect("made");
    let ran = staged.ledger(&["run", "--only", "CE-21"]);
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    assert_said(&ran, ran.code, &["migrations-found", "not established", "[migrations] dir"]);
    std::fs::remove_dir(&folder).expect("removed");
    let ran = staged.ledger(&["run", "--only", "CE-21"]);
    assert_ne!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("[migrations] dir"), "the way out is named: {}", ran.stderr);
}

#[test]
fn no_history_and_no_baseline_names_the_line_to_write() {
    let stage = shared();
    let staged = Staged::on(stage);
    // A database with tables and without any history.
    staged.connects_to(&stage.cluster().url_as("migrator", "bare"));
    let admin = stage.cluster().url("postgres");
    let bare = stage.cluster().url_as("migrator", "bare");
    support::blocking(async move {
        support::connect(&admin).await.batch("CREATE DATABASE bare OWNER migrator").await.expect("a database");
        support::connect(&bare).await.batch("CREATE TABLE public.tenants (id uuid PRIMARY KEY)").await.expect("a table");
    });
    let ran = staged.ledger(&["run", "--dry-run"]);
    assert_said(&ran, ran.code, &["schema-version-known", "baseline = \"001\"", "[migrations]"]);
    assert!(ran.code == 10 || ran.code == 11, "{}", ran.stderr);
    let leftovers: Vec<String> = scratch_databases(stage).into_iter().filter(|name| name.contains("bare")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}
