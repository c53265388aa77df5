//! A stage of the reference application, and projects on it as `ledger demo` lays them out.

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use migration_ledger::chain::Store;
use migration_ledger::demo::{self, Stage};

use crate::harness::{Project, Ran};
use crate::support;

/// Clauses of each tenant: enough for every step to have something to look at.
const ROWS: u32 = 40;

/// Staging on a server of its own: for tests that change it.
pub fn stage() -> Stage {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(Stage::set_on(&support::cluster_options(), ROWS)).expect("a stage")
}

/// One staging for all tests that only read it.
pub fn shared() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(stage)
}

/// Runs SQL on the stage as superuser.
pub fn as_superuser(stage: &Stage, sql: &str) {
    let (url, sql) = (stage.cluster().url(demo::DATABASE), sql.to_owned());
    support::blocking(async move { support::connect(&url).await.batch(&sql).await.expect("planted") });
}

/// Asks the stage's server for one column of text as superuser.
pub fn asked(stage: &Stage, sql: &str) -> Vec<String> {
    let (url, sql) = (stage.cluster().url("postgres"), sql.to_owned());
    support::blocking(async move {
        let rows = support::connect(&url).await.query(&sql, &[]).await.expect("answered");
        rows.iter().map(|row| row.get(0)).collect()
    })
}

/// Scratch databases that are on the stage's server now.
pub fn scratch_databases(stage: &Stage) -> Vec<String> {
    asked(stage, "SELECT datname::text FROM pg_catalog.pg_database WHERE datname LIKE 'ledger\\_scratch\\_%'")
}

/// Waits until `holds`, at most 60 seconds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = Instant::now();
    while !holds() {
        assert!(clock.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// A project on the stage, with a ledger and nothing in it.
pub struct Staged<'a> {
    pub stage: &'a Stage,
    pub project: Project,
}

impl<'a> Staged<'a> {
    pub fn on(stage: &'a Stage) -> Self {
        let project = Project::empty();
        demo::lay_out(project.path(), stage, None, true).expect("a project");
        Store::create(&project.path().join("evidence/ledger.db"), "dba@example.com").expect("a ledger").close().expect("closed");
        let staged = Self { stage, project };
        // No test here is about measuring.
        staged.edit("budget-seconds = 25", "budget-seconds = 1");
        staged.edit("mutation-seconds = 8", "mutation-seconds = 0");
        staged
    }

    /// Replaces a piece of ledger.toml that must be there.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.project.path().join("ledger.toml");
        let text = std::fs::read_to_string(&path).expect("ledger.toml");
        assert!(text.contains(from), "ledger.toml has no `{from}`");
        std::fs::write(path, text.replacen(from, to, 1)).expect("written");
    }

    /// Connects by this URL from now on.
    pub fn connects_to(&self, url: &str) {
        self.project.write("staging.url", &format!("{url}\n"));
    }

    /// `ledger` in the project, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(env!("CARGO_BIN_EXE_ledger"));
        command.args(args).env("LEDGER_PG_BIN", self.stage.cluster().bin()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn ledger(&self, args: &[&str]) -> Ran {
        self.command(args).output().expect("ledger starts").into()
    }

    /// How many entries the ledger has; its chain must hold.
    pub fn entries(&self) -> u64 {
        let store = Store::open_read_only(&self.project.path().join("evidence/ledger.db")).expect("a ledger");
        store.check_chain().expect("the chain holds").size()
    }

    /// Asserts that a run got no further than its set-up: an error with its parts, exit 3, nothing on the ledger.
    pub fn refused(&self, args: &[&str], what: &str, cause: &str, hint: &str) {
        let before = self.entries();
        let ran = self.ledger(args);
        ran.assert_error(3, what, cause, hint);
        assert_eq!(self.entries(), before, "a refused run recorded something");
    }
}
