//! Ctrl-C and kill -9: the next start says what was cut off, nothing is left behind, and the run can be finished.

use std::process::Child;

use migration_ledger::demo::{self, Stage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Project, Ran};
use crate::staged::{Staged, as_superuser, asked, scratch_databases, stage, wait_until};

/// Sleeps only where `test.slow` is on, which no dump carries: in staging, or in the scratch copies of one test.
const SLOW: &str = "SELECT pg_catalog.pg_sleep(CASE WHEN pg_catalog.current_setting('test.slow', true) = 'on' THEN 300 ELSE 0 END);\n\
                    COMMENT ON TABLE public.clauses IS 'slow';\n";
const BACK: &str = "COMMENT ON TABLE public.clauses IS NULL;\n";
const PROOF: &str = "SELECT pg_catalog.obj_description('public.clauses'::pg_catalog.regclass, 'pg_class') = 'slow';\n";

/// A project whose fifth pending migration sleeps where it is told to.
fn slow(stage: &Stage) -> Staged<'_> {
    let staged = Staged::on(stage);
    staged.project.write("migrations/006_slow.sql", SLOW);
    staged.project.write("migrations/006_slow.down.sql", BACK);
    staged.project.write("migrations/006_slow.verify.sql", PROOF);
    staged
}

fn sleepers(stage: &Stage, database: &str) -> Vec<String> {
    asked(
        stage,
        &format!(
            "SELECT application_name FROM pg_catalog.pg_stat_activity
             WHERE state = 'active' AND wait_event = 'PgSleep' AND application_name LIKE 'ledger/%' AND datname LIKE '{database}'"
        ),
    )
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().expect("a pid")), signal).expect("signalled");
}

#[test]
fn ctrl_c_is_recorded_and_leaves_nothing() {
    let stage = stage();
    let staged = slow(&stage);
    // Every scratch copy sleeps: CE-21 is cut off in the middle of its dry run.
    as_superuser(&stage, "ALTER ROLE migrator SET test.slow = 'on'");
    let child = staged.command(&["run", "--confirm", demo::DATABASE]).spawn().expect("ledger starts");
    wait_until("the dry run sleeps", || !sleepers(&stage, "ledger\\_scratch\\_%").is_empty());
    signal(&child, Signal::SIGINT);
    let ran: Ran = child.wait_with_output().expect("ended").into();
    ran.assert_error(130, "interrupted", "", "ledger run --resume");
    wait_until("nothing of the run is left on the server", || scratch_databases(&stage).is_empty() && sleepers(&stage, "%").is_empty());
    let status = staged.ledger(&["status"]);
    assert_eq!(status.code, 11, "{}", status.stdout);
    assert!(status.stdout.lines().any(|line| line.contains("CE-21") && line.contains("interrupted")), "{}", status.stdout);
    assert!(status.stdout.contains("ledger run --resume"), "{}", status.stdout);
    staged.entries();
}

#[test]
fn killed_in_the_middle_of_the_execution_it_is_named_and_finished_later() {
    let stage = stage();
    let staged = slow(&stage);
    as_superuser(&stage, &format!("ALTER DATABASE {} SET test.slow = 'on'", demo::DATABASE));
    let mut child = staged.command(&["run", "--confirm", demo::DATABASE]).spawn().expect("ledger starts");
    wait_until("the execution sleeps", || !sleepers(&stage, demo::DATABASE).is_empty());
    let before = staged.entries();
    signal(&child, Signal::SIGKILL);
    child.wait().expect("ended");
    assert_eq!(staged.entries(), before, "what was acknowledged is there");
    let left = scratch_databases(&stage);
    assert!(!left.is_empty(), "nothing was left: this test would show nothing");
    // The server has not noticed yet; it does when it next speaks to the client, or at once where an administrator ends it.
    as_superuser(
        &stage,
        &format!(
            "ALTER DATABASE {} RESET test.slow; SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE wait_event = 'PgSleep'",
            demo::DATABASE
        ),
    );
    let status = staged.ledger(&["status"]);
    assert_eq!(status.code, 11, "{}", status.stdout);
    let started = status.stdout.lines().find(|line| line.contains("CE-22")).expect("CE-22");
    assert!(started.contains("interrupted (entry "), "{started}");

    let resumed = staged.ledger(&["run", "--resume", "--confirm", demo::DATABASE]);
    let named = resumed.stderr.lines().find(|line| line.contains("was interrupted")).unwrap_or_default();
    assert!(named.contains("CE-22") && named.contains("(entry "), "{}", resumed.stderr);
    assert!(left.iter().all(|name| resumed.stderr.contains(name)), "leftovers {left:?} are not named:\n{}", resumed.stderr);
    for task in ["CE-22", "CE-23", "CE-24", "CE-25", "CE-27", "CE-28"] {
        let passed = resumed.stderr.lines().any(|line| line.contains("PASS") && line.contains(task));
        assert!(passed, "{task} did not pass:\n{}", resumed.stderr);
    }
    assert!(!resumed.stderr.contains(") CE-20 "), "what was established is not run again:\n{}", resumed.stderr);
    assert_eq!(scratch_databases(&stage), Vec::<String>::new());
    crate::killed::nothing_changes(&staged);
    let verified = staged.ledger(&["verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
}

#[test]
fn a_killed_demo_leaves_no_server_and_no_folder() {
    let project = Project::empty();
    let mut command = project.command(env!("CARGO_BIN_EXE_ledger"));
    if let Some(bin) = std::env::var_os("LEDGER_TEST_PG_BIN") {
        command.env("LEDGER_PG_BIN", bin);
    }
    let mut child = command.args(["demo", "--out", "d", "--rows", "20", "--quiet"]).spawn().expect("ledger starts");
    let url = project.path().join("d/staging.url");
    let folder = || {
        let text = std::fs::read_to_string(&url).ok()?;
        text.split(['?', '&', '\n']).find_map(|part| part.strip_prefix("host=")).map(std::path::PathBuf::from)
    };
    wait_until("the demo has a server", || folder().is_some_and(|folder| folder.join("data/postmaster.pid").exists()));
    let folder = folder().expect("the server's folder");
    let pid_file = std::fs::read_to_string(folder.join("data/postmaster.pid")).expect("a pid file");
    let server = Pid::from_raw(pid_file.lines().next().and_then(|line| line.trim().parse().ok()).expect("a pid"));
    assert!(kill(server, None).is_ok(), "the server runs");
    signal(&child, Signal::SIGKILL);
    child.wait().expect("ended");
    wait_until("the folder is gone", || !folder.exists());
    wait_until("the server is gone", || kill(server, None).is_err());
}
