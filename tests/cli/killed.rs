//! kill -9 while a task dumps, restores, counts or tries the way back: the target is what it was, no program goes on for the dead, and the next run
//! clears up after it and after nobody else.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use migration_ledger::demo;
use migration_ledger::pg::Catalog;
use migration_ledger::pg::data::{positions, table_states};

use crate::staged::{Staged, as_superuser, asked, scratch_databases, wait_until};
use crate::support;

/// Catalog, rows and sequences of staging.
fn fingerprint(staged: &Staged<'_>) -> String {
    let url = staged.stage.cluster().url(demo::DATABASE);
    support::blocking(async move {
        let session = support::connect(&url).await;
        session.batch("SET search_path = ''").await.unwrap();
        let catalog = Catalog::read(&session, &[]).await.unwrap().fingerprint();
        format!("{catalog} {:?} {:?}", table_states(&session, &[]).await.unwrap(), positions(&session, &[]).await.unwrap())
    })
}

/// Unfinished backups.
fn partial(staged: &Staged<'_>) -> Vec<String> {
    let names = std::fs::read_dir(staged.project.path().join("backups")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".partial")).collect()
}

/// A lock that a superuser holds until this is dropped.
struct Lock(Option<Sender<()>>, Option<JoinHandle<()>>);

impl Lock {
    fn take(staged: &Staged<'_>, what: &str) -> Self {
        let (url, sql) = (staged.stage.cluster().url(demo::DATABASE), format!("BEGIN; LOCK TABLE {what}"));
        let (release, released) = channel();
        let (taken, waited) = channel();
        let holder = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let session = runtime.block_on(support::connect(&url));
            runtime.block_on(session.batch(&sql)).unwrap();
            taken.send(()).unwrap();
            let _ = released.recv();
            runtime.block_on(session.batch("ROLLBACK")).unwrap();
        });
        waited.recv().unwrap();
        Self(Some(release), Some(holder))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.take());
        self.1.take().unwrap().join().unwrap();
    }
}

/// Whether ledger or a tool of its has a session of which this is true.
fn session(staged: &Staged<'_>, is: &str) -> bool {
    !asked(staged.stage, &format!("SELECT query FROM pg_catalog.pg_stat_activity WHERE application_name LIKE 'ledger/%' AND {is}"))
        .is_empty()
}

/// Runs one task, kills it once it is half-way, and waits until nobody works for it any more.
fn kill(staged: &Staged<'_>, task: &str, half_way: impl FnOnce()) {
    let mut child = staged.command(&["run", "--only", task]).spawn().unwrap();
    half_way();
    assert_eq!(child.try_wait().unwrap(), None, "{task} was over before it could be killed");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until(&format!("nobody works for {task} any more"), || !session(staged, "true"));
}

/// On a staging that was migrated and whose run is complete. Migration 006 sleeps in scratch copies where the role says so.
pub fn nothing_changes(staged: &Staged<'_>) {
    let before = fingerprint(staged);
    // What looks like ours and is not.
    as_superuser(staged.stage, "CREATE DATABASE ledger_scratch_mine OWNER migrator");
    staged.project.write("backups/mine.dump.partial", "mine");

    // pg_dump waits for a table, with its file begun.
    let lock = Lock::take(staged, "public.clauses IN ACCESS EXCLUSIVE MODE");
    kill(staged, "CE-20", || wait_until("pg_dump waits", || session(staged, "wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%'")));
    drop(lock);
    assert_eq!(partial(staged).len(), 2, "{:?}", partial(staged));
    assert_eq!(fingerprint(staged), before, "killed in the backup, CE-20 changed the target");

    // pg_restore waits to write down whose an object is.
    let mut lock = None;
    kill(staged, "CE-20", || {
        wait_until("there is a database to restore into", || scratch_databases(staged.stage).len() > 1);
        lock = Some(Lock::take(staged, "pg_catalog.pg_shdepend IN SHARE MODE"));
        wait_until("pg_restore waits", || session(staged, "wait_event_type = 'Lock' AND datname LIKE 'ledger\\_scratch\\_backup%'"));
    });
    drop(lock);
    assert_eq!(partial(staged), ["mine.dump.partial"], "what the first left was not removed by the second");
    assert_eq!(scratch_databases(staged.stage).len(), 2, "nothing was left: this test would show nothing");
    assert_eq!(fingerprint(staged), before, "killed in the restore, CE-20 changed the target");

    let lock = Lock::take(staged, "public.clauses IN ACCESS EXCLUSIVE MODE");
    kill(staged, "CE-24", || {
        wait_until("keys are being counted", || session(staged, "wait_event_type = 'Lock' AND query LIKE '%NOT EXISTS%'"))
    });
    drop(lock);
    assert_eq!(fingerprint(staged), before, "CE-24, killed, changed the target");

    // Two worlds stand in a copy, and the matrix is being tried there.
    kill(staged, "CE-23", || {
        wait_until("cells are tried", || session(staged, "datname LIKE 'ledger\\_scratch\\_%' AND query LIKE '%SAVEPOINT cell%'"));
    });
    assert!(scratch_databases(staged.stage).len() > 1, "nothing was left: this test would show nothing");
    assert_eq!(fingerprint(staged), before, "CE-23, killed, changed the target");

    // The migrations run in a copy; CE-25 compares it, CE-27 goes back in it.
    as_superuser(staged.stage, "ALTER ROLE migrator SET test.slow = 'on'");
    for task in ["CE-25", "CE-27"] {
        kill(staged, task, || {
            wait_until("the copy is migrated", || session(staged, "wait_event = 'PgSleep' AND datname LIKE 'ledger\\_scratch\\_%'"));
        });
        assert_eq!(fingerprint(staged), before, "{task}, killed, changed the target");
    }
    as_superuser(staged.stage, "ALTER ROLE migrator RESET test.slow");

    let again = staged.ledger(&["run", "--only", "CE-24", "CE-27"]);
    for task in ["CE-24", "CE-27"] {
        assert!(again.stderr.lines().any(|line| line.contains("PASS") && line.contains(task)), "{}", again.stderr);
    }
    assert_eq!(scratch_databases(staged.stage), ["ledger_scratch_mine"], "{}", again.stderr);
    assert_eq!(partial(staged), ["mine.dump.partial"]);
    assert_eq!(fingerprint(staged), before);
}
