//! A ledger that cannot be written ends with 21, one that does not hold with 20, and what was acknowledged stays.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use migration_ledger::chain::Store;
use migration_ledger::demo;
use rusqlite::Connection;

use crate::harness::{Project, Ran};
use crate::staged::{Staged, shared};

/// A project with a ledger of three entries, two of them notes.
fn noted() -> Project {
    let project = Project::empty();
    assert_eq!(project.ledger(&["init"]).code, 0);
    project.write("evidence.txt", "what was seen elsewhere\n");
    for _ in 0..2 {
        assert_eq!(project.ledger(&["record", "CE-20", "evidence.txt"]).code, 0);
    }
    assert_eq!(entries(&project), 3);
    project
}

fn entries(project: &Project) -> u64 {
    Store::open_read_only(&project.path().join("evidence/ledger.db")).expect("a ledger").check_chain().expect("the chain holds").size()
}

#[test]
fn a_read_only_ledger() {
    let project = noted();
    let mode = |name: &str, mode: u32| {
        std::fs::set_permissions(project.path().join(name), std::fs::Permissions::from_mode(mode)).expect("permissions");
    };
    for (name, bits) in [("evidence/ledger.db", 0o444), ("evidence", 0o555), ("", 0o755)] {
        mode(name, bits);
    }
    // Root writes everything; somebody else does not. A copy of the program lies where that somebody can reach it.
    let program = match nix::unistd::geteuid().is_root() {
        true => {
            let copy = project.path().join("ledger-copy");
            std::fs::copy(env!("CARGO_BIN_EXE_ledger"), &copy).expect("copied");
            copy.display().to_string()
        }
        false => env!("CARGO_BIN_EXE_ledger").to_owned(),
    };
    let ledger = |args: &[&str]| -> Ran {
        let mut command = project.command(&program);
        if nix::unistd::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        command.args(args).output().expect("ledger starts").into()
    };
    for command in
        [&["record", "CE-20", "evidence.txt"][..], &["run", "--confirm", "x"], &["rollback", "--target-version", "1", "--confirm", "x"]]
    {
        ledger(command).assert_error(21, "evidence/ledger.db cannot be written: read-only", "", "make the file and its folder writable");
    }
    // Reading goes on.
    assert_eq!(ledger(&["log"]).code, 0);
    assert_eq!(ledger(&["verify"]).code, 0);
    mode("evidence", 0o755);
    assert_eq!(entries(&project), 3);
}

#[test]
fn a_ledger_that_another_program_holds() {
    let project = noted();
    let holder = Connection::open(project.path().join("evidence/ledger.db")).expect("opened");
    holder.execute_batch("BEGIN IMMEDIATE").expect("held");
    let ran = project.ledger(&["record", "CE-20", "evidence.txt"]);
    ran.assert_error(21, "another process holds the ledger", "", "let the other `ledger` finish");
    assert_eq!(project.ledger(&["log"]).code, 0, "readers are not kept out");
    holder.execute_batch("ROLLBACK").expect("let go");
    assert_eq!(project.ledger(&["record", "CE-20", "evidence.txt"]).code, 0);
    assert_eq!(entries(&project), 4);
}

#[test]
fn a_full_disk() {
    let project = noted();
    project.write("large.bin", &"x".repeat(3_000_000));
    // A limit on the size of files holds for root as well; a signal that is ignored stays so over exec, and the write fails instead.
    let ran = project.shell("trap '' XFSZ; ulimit -f 1000; exec \"$LEDGER\" record CE-20 large.bin");
    ran.assert_error(21, "evidence/ledger.db", "", "free space");
    assert_eq!(entries(&project), 3, "nothing half-written");
    assert_eq!(project.ledger(&["record", "CE-20", "large.bin"]).code, 0);
    assert_eq!(entries(&project), 4);
}

#[test]
fn a_disk_that_fills_up_ends_the_run() {
    let staged = Staged::on(shared());
    let script = format!("trap '' XFSZ; ulimit -f 100; exec \"$LEDGER\" run --confirm {}", demo::DATABASE);
    let ran: Ran = staged
        .project
        .command("bash")
        .args(["-c", &script])
        .env("LEDGER", env!("CARGO_BIN_EXE_ledger"))
        .output()
        .expect("bash starts")
        .into();
    ran.assert_error(21, "evidence/ledger.db", "", "free space");
    assert_eq!(staged.entries(), 1);
    assert!(!ran.stderr.contains("CE-20"), "a run without a ledger does not go on: {}", ran.stderr);
}

#[test]
fn a_tampered_ledger() {
    let project = noted();
    let db = project.path().join("evidence/ledger.db");
    let tamper = |sql: &str| {
        let conn = Connection::open(&db).expect("opened");
        let triggers: Vec<(String, String)> = {
            let mut statement = conn.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").expect("a query");
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
            rows.collect::<Result<_, _>>().expect("rows")
        };
        assert!(!triggers.is_empty(), "nothing keeps entries from being changed");
        conn.pragma_update(None, "foreign_keys", false).expect("no foreign keys");
        for (name, _) in &triggers {
            conn.execute_batch(&format!("DROP TRIGGER {name}")).expect("dropped");
        }
        let changed = conn.execute(sql, []).expect("tampered");
        assert_eq!(changed, 1, "{sql}");
        for (_, sql) in &triggers {
            conn.execute_batch(sql).expect("put back");
        }
    };
    let whole = std::fs::read(&db).expect("the ledger");
    for (sql, word) in [
        ("UPDATE entry SET header = CAST(replace(CAST(header AS TEXT), 'CE-20', 'CE-21') AS BLOB) WHERE seq = 1", "(1)"),
        ("UPDATE entry SET header = x'00ff' WHERE seq = 2", "(2)"),
        ("UPDATE entry SET header = x'' WHERE seq = 1", "(1)"),
        ("DELETE FROM entry WHERE seq = 1", "(1)"),
    ] {
        tamper(sql);
        let verified = project.ledger(&["verify"]);
        assert_eq!(verified.code, 20, "{sql}: {}{}", verified.stdout, verified.stderr);
        let said = format!("{}{}", verified.stdout, verified.stderr);
        assert!(said.contains(word), "{sql}: {said}");
        for command in
            [&["status"][..], &["log"], &["show", "1"], &["report"], &["go-no-go"], &["package"], &["record", "CE-20", "evidence.txt"]]
        {
            let ran = project.ledger(command);
            assert!(
                ![-1, 1, 101].contains(&ran.code) && !ran.stderr.contains("panicked"),
                "{sql}: {command:?}: {} {}",
                ran.code,
                ran.stderr
            );
        }
        std::fs::write(&db, &whole).expect("restored");
        assert_eq!(project.ledger(&["verify"]).code, 0);
    }
}
