//! The whole step: backups restored into scratch copies, measured, judged, written down, dropped.

use std::path::Path;

use migration_ledger::config::{Config, Preset};
use migration_ledger::domain::plan::StepKind;
use migration_ledger::domain::product::{BackupFacts, EnvironmentProduct, ExecuteProduct};
use migration_ledger::domain::{Evidence, Product, RunId, TaskId};
use migration_ledger::pg::dump::Tools;
use migration_ledger::pg::{ScratchPool, Target};
use migration_ledger::steps::{self, Context, Project, StepReport, TaskLog};

use super::{Quiet, application, copy};

/// What the step gave.
struct Given {
    report: StepReport,
    log: String,
}

impl Given {
    fn check(&self, code: &str) -> &Evidence {
        self.report.evidence.iter().find(|one| one.check.as_str() == code).unwrap_or_else(|| panic!("no {code}"))
    }

    fn text(&self, name: &str) -> String {
        let found = self.report.attachments.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no {name}"));
        String::from_utf8(found.bytes.clone()).unwrap()
    }
}

/// The configuration of the reference application with a workload of the test's own.
fn config(workload: &str, seconds: u64) -> Config {
    let mut config = Config::parse(Preset::Contracts.text().as_bytes(), Path::new("ledger.toml")).unwrap();
    config.performance.workload = Some(workload.into());
    config.performance.budget_seconds = seconds;
    config.backup = crate::support::backup_config();
    config
}

/// Dumps `before` and `after` and runs the step on them, as `migrator`.
async fn run(config: &Config, root: &Path, before: &Target, after: &Target) -> Given {
    let tools = Tools::find(before.major(), &config.backup).unwrap();
    let mut backups = Vec::new();
    for (target, shown) in [(before, "backups/before.dump"), (after, "backups/after.dump")] {
        backups.push(tools.dump(target, &root.join(shown), shown, &config.backup).await.unwrap());
    }
    let after_backup = backups.pop().unwrap();
    let products = [(TaskId::new("CE-20"), environment(backups.pop())), (TaskId::new("CE-22"), execution(true, Some(after_backup)))];
    with(config, root, after, Some(tools), &products).await
}

async fn with(config: &Config, root: &Path, target: &Target, tools: Option<Tools>, products: &[(TaskId, Product)]) -> Given {
    let scratch = ScratchPool::new(target.clone(), tools);
    let (log, run, project) = (TaskLog::default(), RunId::new("staging_migration_20260108"), Project { root: root.to_owned() });
    let cx = Context {
        config,
        task: config.plan.tasks.iter().find(|task| task.uses == StepKind::Performance).unwrap(),
        run: &run,
        project: &project,
        target,
        scratch: &scratch,
        products,
        noted_suites: &[],
        results: &[],
        parts: &[],
        rendered: None,
        log: &log,
        progress: &Quiet,
    };
    let mut report = StepReport::default();
    steps::run(&cx, &mut report).await.unwrap();
    scratch.close().await.unwrap();
    Given { report, log: log.text() }
}

fn environment(backup: Option<BackupFacts>) -> Product {
    Product::Environment(EnvironmentProduct {
        server_version: "15".into(),
        server_version_num: 150_000,
        database: "staging".into(),
        role: "migrator".into(),
        tls: "off".into(),
        schema_version: Some("001".into()),
        database_bytes: 0,
        tables: 14,
        policies: 0,
        foreign_keys: 0,
        indexes: 0,
        backup,
    })
}

fn execution(completed: bool, backup: Option<BackupFacts>) -> Product {
    Product::Execute(ExecuteProduct {
        completed,
        schema_before: Some("001".into()),
        schema_after: Some("005".into()),
        files: Vec::new(),
        catalog_changes: Vec::new(),
        backup,
    })
}

/// A project folder with the reference workload.
fn project() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("workload")).unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts/workload")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, root.path().join("workload").join(path.file_name().unwrap())).unwrap();
    }
    root
}

#[tokio::test]
async fn the_reference_application_passes_with_its_papers() {
    let root = project();
    let before = application(&[]).await;
    let all = ["002_row_level_security.sql", "003_foreign_keys.sql", "004_performance_indexes.sql", "005_audit_logging.sql"];
    let after = application(&all).await;
    let given = run(&config("workload", 60), root.path(), &before, &after).await;
    let regression = given.check("benchmark-regression");
    assert_eq!(regression.outcome.word(), "pass", "{}\n{}", regression.outcome, given.log);
    assert_eq!(regression.rows.len(), 5);
    for code in ["index-invalid", "index-duplicate", "index-redundant", "index-missing"] {
        let check = given.check(code);
        assert_eq!(check.outcome.word(), "pass", "{code}: {:?}", check.findings().collect::<Vec<_>>());
    }
    assert!(given.report.headline.starts_with("5 queries, worst ratio 0."), "{}", given.report.headline);

    let Some(Product::Performance(product)) = &given.report.product else { panic!("no product") };
    assert_eq!(product.queries.len(), 5);
    assert!(product.geometric_mean.unwrap() < 0.7, "{:?}", product.geometric_mean);
    assert!(product.index_scans["public.alerts_inbox_idx"] > 0);
    let results: serde_json::Value = serde_json::from_str(&given.text("benchmark_results.json")).unwrap();
    assert_eq!(results["queries"].as_array().unwrap().len(), 5);
    assert_eq!(results["role"], "app_user");
    let papers = ["benchmark_results.json", "benchmark_comparison.md", "index_usage_analysis.md"].map(|name| given.text(name)).concat();
    for value in ["2685f58f-619d-c594-e8b7-0fdd01c9f7c5", "Aldgate", "@example.com"] {
        assert!(!papers.contains(value), "{value} is in a paper");
    }
    assert!(papers.contains("alerts_inbox_idx"));
    let session = after.session(migration_ledger::pg::Access::ReadOnly).await.unwrap();
    let left: i64 =
        session.one("SELECT count(*) FROM pg_catalog.pg_database WHERE datname ~ '^ledger_scratch_.*bench'", &[]).await.unwrap().get(0);
    assert_eq!(left, 0, "copies stay behind");
}

#[tokio::test]
async fn an_index_dropped_by_the_migrations_is_named() {
    let root = project();
    let before = application(&["004_performance_indexes.sql"]).await;
    let after = application(&["004_performance_indexes.sql"]).await;
    let owner = after.session(migration_ledger::pg::Access::ReadWrite).await.unwrap();
    owner.batch("DROP INDEX public.audit_logs_row_idx").await.unwrap();
    let given = run(&config("workload", 25), root.path(), &before, &after).await;
    let subjects: Vec<String> = given.check("benchmark-regression").findings().map(|finding| finding.subject).collect();
    assert_eq!(subjects, ["history of a row"], "{}", given.log);
    assert!(given.report.headline.ends_with("1 regressed"), "{}", given.report.headline);
    let missing: Vec<String> = given.check("index-missing").findings().map(|finding| finding.subject).collect();
    assert_eq!(missing, ["public.audit_logs in history of a row"]);
}

#[tokio::test]
async fn without_a_workload_a_backup_or_a_migrated_state_nothing_passes() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("empty")).unwrap();
    std::fs::create_dir(root.path().join("one")).unwrap();
    std::fs::write(root.path().join("one/one.sql"), "SELECT 1").unwrap();
    let target = copy("").await;
    let backup = || {
        let facts = serde_json::json!({"file": "backups/gone.dump", "sha256": "", "bytes": 0, "toc_entries": 0, "tool": "", "dump_us": 0,
                                       "restore_us": null, "catalog": "", "tables": []});
        Some(serde_json::from_value::<BackupFacts>(facts).unwrap())
    };
    let ids = |environment, execution| [(TaskId::new("CE-20"), environment), (TaskId::new("CE-22"), execution)];
    let whole = || ids(environment(backup()), execution(true, backup()));
    let mut unset = config("one", 5);
    unset.performance.workload = None;
    for (config, products, why) in [
        (unset, whole(), "no workload"),
        (config("nowhere", 5), whole(), "no workload: nowhere"),
        (config("empty", 5), whole(), "no workload: empty holds no .sql file"),
        (config("one", 5), ids(environment(None), execution(true, backup())), "no pre-migration backup"),
        (config("one", 5), ids(environment(backup()), execution(false, backup())), "did not complete"),
        (config("one", 5), ids(environment(backup()), execution(true, None)), "no post-migration backup"),
        (config("one", 5), whole(), "cannot be made"),
    ] {
        let tools = Tools::find(target.major(), &config.backup).unwrap();
        let given = with(&config, root.path(), &target, Some(tools), &products).await;
        for code in ["benchmark-regression", "benchmark-control", "index-unused", "index-missing"] {
            let outcome = &given.check(code).outcome;
            assert_eq!(outcome.word(), "unknown", "{code}: {outcome}");
            assert!(outcome.to_string().contains(why), "{code}: {outcome} and not {why}");
        }
        assert_eq!(given.check("index-invalid").outcome.word(), "pass");
        assert_eq!(given.report.product, None);
        assert!(given.report.headline.contains(why), "{}", given.report.headline);
    }
}
