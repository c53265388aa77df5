//! Nothing but execution (and a rollback) commits a change to the database under test.
//!
//! Two witnesses that know nothing of ledger: a logical slot on staging, which lists every transaction that committed anything
//! there, drained after each task; and the server's log, which says which application ran which statement in which database.

mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;

use migration_ledger::chain::Store;
use migration_ledger::config::Config;
use migration_ledger::demo::{self, Stage};
use migration_ledger::domain::plan::Task;
use migration_ledger::domain::{Outcome, RunId, TaskId};
use migration_ledger::pg::dump::Tools;
use migration_ledger::pg::{Access, ConnectSpec, ScratchPool, Session, Target};
use migration_ledger::redact::Redactor;
use migration_ledger::run::engine::{Local, Rendered};
use migration_ledger::run::{Engine, Event, Hooks, Listener, RunError, Selection};
use migration_ledger::steps::Project;
use migration_ledger::steps::rollback::Fresh;

/// Drains the slot between tasks.
struct Watching {
    admin: Session,
    committed: RefCell<BTreeMap<String, i64>>,
}

impl Watching {
    /// Transactions that committed on staging since last asked.
    async fn drain(&self) -> i64 {
        let sql = "SELECT pg_catalog.count(*) FILTER (WHERE data LIKE 'COMMIT%') FROM pg_catalog.pg_logical_slot_get_changes('witness', NULL, NULL)";
        self.admin.one(sql, &[]).await.expect("the slot answers").get(0)
    }
}

impl Hooks for Watching {
    fn render(&self, _store: &Store, _run: &RunId) -> Rendered {
        Ok(vec![("report.json".into(), 1)])
    }

    fn confirm<'a>(&'a self, _task: &'a Task) -> Local<'a, Result<bool, RunError>> {
        Box::pin(async { Ok(true) })
    }

    fn after_task<'a>(&'a self, task: &'a TaskId) -> Local<'a, Result<(), RunError>> {
        Box::pin(async move {
            let count = self.drain().await;
            self.committed.borrow_mut().insert(task.to_string(), count);
            Ok(())
        })
    }
}

struct Silent;

impl Listener for Silent {
    fn on(&self, _event: &Event) {}
}

#[test]
fn only_execution_and_rollback_commit_to_the_target() {
    // The slot that watches the target is decoded by a library of the same sources.
    if !support::contrib("only_execution_and_rollback_commit_to_the_target") {
        return;
    }
    let options = {
        let mut options = support::cluster_options();
        for (name, value) in [
            ("wal_level", "logical"),
            ("log_line_prefix", "<%d|%a>"),
            ("log_statement", "all"),
            // Statistics that the server writes by itself are not ours, and would show up as transactions.
            ("autovacuum", "off"),
        ] {
            options.settings.retain(|(known, _)| known != name);
            options.settings.push((name.to_owned(), value.to_owned()));
        }
        options
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stage = Stage::set_on(&options, 200).await.expect("a stage");
        let log = stage.cluster().log_file();
        let folder = tempfile::tempdir().expect("a folder");
        demo::lay_out(folder.path(), &stage, None, true).expect("a project");
        let bytes = quick(&std::fs::read_to_string(folder.path().join("ledger.toml")).expect("ledger.toml")).into_bytes();
        let mut config = Config::parse(&bytes, std::path::Path::new("ledger.toml")).expect("a config");
        // The one thing beside migrations that may be written, and CE-22 writes it.
        config.migrations.anchor = true;
        config.backup.pg_dump = Some(stage.cluster().bin().join("pg_dump"));
        let mut store = Store::create(&folder.path().join("evidence/ledger.db"), "dba@example.com").expect("a ledger");

        let admin = Target::open(ConnectSpec::parse(&stage.cluster().url(demo::DATABASE)).expect("a URL"), "witness").await.expect("admin");
        let admin = admin.session_with(Access::ReadWrite, 0, 0).await.expect("a session");
        admin.batch("SELECT pg_catalog.pg_create_logical_replication_slot('witness', 'test_decoding')").await.expect("a slot");
        let watching = Watching { admin, committed: RefCell::default() };
        let before = std::fs::read_to_string(&log).expect("the server's log").len();

        let target = Target::open(ConnectSpec::parse(&stage.url()).expect("a URL"), "ledger/staging").await.expect("the target");
        let tools = Tools::find(target.major(), &config.backup).expect("client tools");
        let scratch = ScratchPool::new(target.clone(), Some(tools));
        let project = Project { root: folder.path().to_owned() };
        let redactor = Redactor::new();
        let mut engine = Engine {
            config: &config,
            config_bytes: &bytes,
            project: &project,
            store: &mut store,
            target: &target,
            scratch: &scratch,
            environment: "staging",
            actor: "dba@example.com",
            redactor: &redactor,
            listener: &Silent,
            hooks: &watching,
        };
        let finished = engine.run(&Selection::All).await.expect("a run");
        let outcomes: BTreeMap<String, Outcome> =
            finished.judgement.tasks.iter().map(|judged| (judged.task.to_string(), judged.outcome.clone())).collect();
        for task in ["CE-20", "CE-21", "CE-22", "CE-23", "CE-24", "CE-25", "CE-27"] {
            assert_eq!(outcomes[task], Outcome::Pass, "{task} has to do its work for this test to mean anything: {outcomes:?}");
        }
        let committed = watching.committed.borrow().clone();
        assert_eq!(committed.len(), 9, "{committed:?}");
        for (task, count) in &committed {
            match task.as_str() {
                "CE-22" => assert!(*count >= 4, "four migrations are at least four transactions: {committed:?}"),
                _ => assert_eq!(*count, 0, "{task} committed to the target: {committed:?}"),
            }
        }

        let kept = migration_ledger::run::anchor::read(&engine.store.ledger_id().to_hex(), &target).await.expect("asked").expect("a head");
        let size: u64 = kept.lines().nth(1).and_then(|size| size.parse().ok()).expect("a checkpoint");
        assert!(size < engine.store.len().expect("a length"), "{kept}");
        assert_eq!(kept, engine.store.checkpoint_text(size).expect("a checkpoint"));

        let rolled = engine.roll_back("003", Fresh::Restored).await.expect("a rollback");
        assert_eq!(rolled.outcome, Outcome::Pass);
        assert!(watching.drain().await >= 2, "two migrations were reverted");
        scratch.close().await.expect("scratch databases dropped");

        let text = std::fs::read_to_string(&log).expect("the server's log");
        let writers = writers(&text[before..]);
        assert!(writers.contains_key(&format!("ledger/{}/CE-22", finished.run.id)), "{writers:?}");
        for (application, statement) in writers {
            let may = application.ends_with("/CE-22") || application.ends_with("/ROLLBACK") || application == "witness";
            assert!(may, "{application} wrote to {}: {statement}", demo::DATABASE);
        }
        drop(watching);
        drop(target);
        stage.stop().expect("stopped");
    });
}

/// The demo's plan with as little measuring as it takes: this test is not about speed.
fn quick(toml: &str) -> String {
    toml.lines()
        .map(|line| match line {
            _ if line.starts_with("budget-seconds") => "budget-seconds = 1".to_owned(),
            _ if line.starts_with("mutation-seconds") => "mutation-seconds = 1".to_owned(),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Applications that sent a statement to staging that changes anything when it commits, with one such statement each. Statements
/// of rolled-back transactions count too: that they were rolled back is what the slot shows.
fn writers(log: &str) -> BTreeMap<String, String> {
    const CHANGING: [&str; 8] = ["CREATE ", "ALTER ", "DROP ", "TRUNCATE", "COMMENT ", "GRANT ", "REVOKE ", "VACUUM"];
    let mut writers = BTreeMap::new();
    let mut seen = 0;
    for line in log.lines() {
        let Some((database, rest)) = line.strip_prefix('<').and_then(|line| line.split_once('|')) else { continue };
        let Some((application, message)) = rest.split_once('>') else { continue };
        if database != demo::DATABASE {
            continue;
        }
        seen += 1;
        let Some((_, statement)) =
            message.split_once("statement: ").or_else(|| message.split_once(": ").filter(|(k, _)| k.contains("execute")))
        else {
            continue;
        };
        if CHANGING.iter().any(|word| statement.trim_start().to_uppercase().starts_with(word)) {
            writers.insert(application.to_owned(), statement.chars().take(120).collect());
        }
    }
    assert!(seen > 50, "only {seen} lines about {}: the log is not what this test takes it for", demo::DATABASE);
    writers
}
