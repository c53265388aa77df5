//! A step run as the engine runs it, and what it gave.

use std::path::PathBuf;

use migration_ledger::config::Config;
use migration_ledger::domain::plan::StepKind;
use migration_ledger::domain::verdict::TaskResult;
use migration_ledger::domain::{CheckOutcome, Evidence, Product, RunId, TaskId};
use migration_ledger::pg::{ScratchPool, Target};
use migration_ledger::steps::{self, Context, Progress, Project, StepError, StepReport, TaskLog};

use crate::support::TestDb;

/// Says nothing.
pub struct Silent;

impl Progress for Silent {
    fn say(&self, _message: &str) {}
}

/// What a step is given, but for the target.
pub struct World {
    pub config: Config,
    pub project: Project,
    pub products: Vec<(TaskId, Product)>,
    pub results: Vec<TaskResult>,
    pub parts: Vec<String>,
    pub rendered: Option<Result<Vec<(String, u64)>, String>>,
    _folder: tempfile::TempDir,
}

/// What a step gave.
pub struct Given {
    pub result: Result<(), StepError>,
    pub report: StepReport,
    pub log: String,
}

impl World {
    /// A project with this `ledger.toml`, whose plan is one task, `T`, that uses the step; `more` is appended.
    pub fn new(uses: &str, more: &str) -> Self {
        Self::of_plan(&format!(
            "[plan]\nid = \"P\"\ntitle = \"Test\"\n[[plan.task]]\nid = \"T\"\nname = \"Test\"\nuses = \"{uses}\"\nestimate-minutes = 1\n{more}"
        ))
    }

    /// A project with this `ledger.toml`.
    pub fn of_plan(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::parse(toml.as_bytes(), &PathBuf::from("ledger.toml")).unwrap();
        Self {
            config,
            project: Project { root: folder.path().to_owned() },
            products: Vec::new(),
            results: Vec::new(),
            parts: Vec::new(),
            rendered: None,
            _folder: folder,
        }
    }

    /// The demo's own configuration, with the one task that uses the step.
    pub fn of_contracts(step: StepKind) -> Self {
        let part = |file: &str| std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("templates").join(file)).unwrap();
        let mut world = Self::of_plan(&(part("ledger.toml") + &part("settings/contracts.toml")));
        world.config.plan.tasks.retain(|task| task.uses == step);
        world.config.checks.folders.clear();
        world
    }

    /// Writes a file of the project.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.project.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs the last task of the plan.
    pub async fn run(&self, target: &Target) -> Given {
        self.run_with(target, &ScratchPool::new(target.clone(), None)).await
    }

    /// Runs the last task of the plan with scratch databases of the caller's.
    pub async fn run_with(&self, target: &Target, scratch: &ScratchPool) -> Given {
        let log = TaskLog::default();
        let run = RunId::new("staging_migration_20260108");
        let cx = Context {
            config: &self.config,
            task: self.config.plan.tasks.last().unwrap(),
            run: &run,
            project: &self.project,
            target,
            scratch,
            products: &self.products,
            noted_suites: &[],
            results: &self.results,
            parts: &self.parts,
            rendered: self.rendered.as_ref(),
            log: &log,
            progress: &Silent,
        };
        let mut report = StepReport::default();
        let result = steps::run(&cx, &mut report).await;
        Given { result, report, log: log.text() }
    }
}

impl Given {
    /// The evidence of a check.
    pub fn check(&self, code: &str) -> &Evidence {
        let error = self.result.as_ref().err();
        self.report.evidence.iter().find(|e| e.check.as_str() == code).unwrap_or_else(|| panic!("no {code}; the step gave {error:?}"))
    }

    /// The subjects a check found wrong, each with what was observed.
    pub fn found(&self, code: &str) -> Vec<(String, String)> {
        self.check(code).findings().map(|finding| (finding.subject, finding.observed)).collect()
    }

    /// The outcome of a check, as text.
    pub fn outcome(&self, code: &str) -> String {
        self.check(code).outcome.to_string()
    }

    /// Every check that is neither passed nor inapplicable.
    pub fn complaints(&self) -> Vec<String> {
        let complains = |e: &&Evidence| !matches!(e.outcome, CheckOutcome::Pass | CheckOutcome::NotApplicable(_));
        self.report.evidence.iter().filter(complains).map(|e| format!("{}: {} {:?}", e.check, e.outcome, e.rows)).collect()
    }

    /// An attachment as text.
    pub fn file(&self, name: &str) -> String {
        let found = self.report.attachments.iter().find(|a| a.name == name).unwrap_or_else(|| panic!("no {name}"));
        String::from_utf8(found.bytes.clone()).unwrap()
    }

    /// The attachments' names.
    pub fn files(&self) -> Vec<&str> {
        self.report.attachments.iter().map(|a| a.name.as_str()).collect()
    }
}

/// One read-only folder of the reference application.
fn contracts(file: &str) -> String {
    std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts").join(file)).unwrap()
}

/// The reference application with the data of three tenants, fully migrated, owned by `migrator`.
pub async fn migrated_contracts() -> TestDb {
    let mut sql = String::from("SET search_path = public; SET ledger_demo.rows = 200;\n");
    for file in [
        "001_initial_schema.sql",
        "seed.sql",
        "002_row_level_security.sql",
        "003_foreign_keys.sql",
        "004_performance_indexes.sql",
        "005_audit_logging.sql",
    ] {
        // Each file in a query of its own would do the same; CONCURRENTLY alone cannot run in one string.
        sql.push_str(&contracts(file).replace(" CONCURRENTLY", ""));
        sql.push('\n');
    }
    TestDb::from_template("contracts", "migrator", &sql).await
}

/// Runs a future to its end here; a step's future stays on its thread.
pub fn here<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
