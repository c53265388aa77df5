//! The step as the engine runs it: target, post-migration backup, scratch copy, papers; and nothing left behind.

use std::path::{Path, PathBuf};

use migration_ledger::config::Config;
use migration_ledger::domain::product::{ExecuteProduct, Product};
use migration_ledger::domain::{CheckOutcome, RunId, TaskId};
use migration_ledger::pg::dump::Tools;
use migration_ledger::pg::{Access, Catalog, ScratchPool};
use migration_ledger::steps::{self, Context, Progress, Project, StepReport, TaskLog};

use super::support::TestDb;
use super::{application, stated};

struct Silent;

impl Progress for Silent {
    fn say(&self, _message: &str) {}
}

fn config() -> Config {
    let toml = "[plan]\nid = \"P\"\ntitle = \"Test\"\n[[plan.task]]\nid = \"CE-22\"\nname = \"Execution\"\nuses = \"execute\"\nestimate-minutes = 1\n[[plan.task]]\nid = \"CE-23\"\nname = \"Row security\"\nuses = \"row-security\"\nestimate-minutes = 1\n";
    let mut config = Config::parse(toml.as_bytes(), Path::new("ledger.toml")).unwrap();
    config.tenancy = stated();
    config.backup = super::support::backup_config();
    config.checks.mutation_seconds = 0;
    config.checks.folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts/checks/isolation")];
    config
}

/// The step's report, its log, and how many databases of ours are left on the server.
async fn run(db: &TestDb, config: &Config, with_backup: bool, after_backup: &str) -> (StepReport, String, i64) {
    let folder = tempfile::tempdir().unwrap();
    let target = db.target("migrator").await;
    let tools = Tools::find(target.major(), &config.backup).unwrap();
    let file: PathBuf = folder.path().join("post.dump");
    let backup = tools.dump(&target, &file, "post.dump", &config.backup).await.unwrap();
    db.admin().await.batch(after_backup).await.unwrap();
    let execution = ExecuteProduct {
        completed: true,
        schema_before: None,
        schema_after: None,
        files: Vec::new(),
        catalog_changes: Vec::new(),
        backup: with_backup.then_some(backup),
    };
    let products = [(TaskId::new("CE-22"), Product::Execute(execution))];
    let scratch = ScratchPool::new(target.clone(), Some(tools));
    let (log, run) = (TaskLog::default(), RunId::new("staging_migration_20260108"));
    let project = Project { root: folder.path().to_owned() };
    let cx = Context {
        config,
        task: &config.plan.tasks[1],
        run: &run,
        project: &project,
        target: &target,
        scratch: &scratch,
        products: &products,
        noted_suites: &[],
        results: &[],
        parts: &[],
        rendered: None,
        log: &log,
        progress: &Silent,
    };
    let mut report = StepReport::default();
    steps::run(&cx, &mut report).await.unwrap();
    scratch.close().await.unwrap();
    // Other tests of this binary have copies of their own for a while.
    let admin = db.admin().await;
    let mut left: i64 = 1;
    for _ in 0..300 {
        let ours = "SELECT count(*) FROM pg_catalog.pg_database WHERE datname LIKE '%row-security%' OR datname LIKE '%row_security%'";
        left = admin.one(ours, &[]).await.unwrap().get(0);
        if left == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    (report, log.text(), left)
}

#[tokio::test(flavor = "current_thread")]
async fn the_whole_step_on_the_reference_application() {
    let db = application().await;
    let admin = db.admin().await;
    let before = Catalog::read(&admin, &[]).await.unwrap().fingerprint();
    let rows = "SELECT sum(n)::bigint FROM (SELECT count(*) n FROM users UNION ALL SELECT count(*) FROM audit_logs UNION ALL SELECT count(*) FROM tenants) x";
    let counted: i64 = admin.one(rows, &[]).await.unwrap().get(0);
    let mut config = config();
    config.checks.mutation_seconds = 4;
    let (report, log, left) = run(&db, &config, true, "").await;
    assert_eq!(report.headline, "14 of 14 tables isolated, 7 of 7 tests", "{log}");
    // The server's age is no fault of the application's, and four seconds may not reach every table.
    let apart = ["rls-server-cve", "rls-mutation"];
    for evidence in report.evidence.iter().filter(|evidence| !apart.contains(&evidence.check.as_str())) {
        assert!(
            matches!(evidence.outcome, CheckOutcome::Pass | CheckOutcome::NotApplicable(_)),
            "{}: {}",
            evidence.check,
            evidence.outcome
        );
    }
    let mut files: Vec<&str> = report.attachments.iter().map(|a| a.name.as_str()).collect();
    files.sort_unstable();
    let (own, files): (Vec<&str>, Vec<&str>) = files.into_iter().partition(|name| name.starts_with("own-"));
    assert_eq!(own.len(), 7, "the text of each test beside its answer: {own:?}");
    assert_eq!(files, ["cross_tenant_isolation_proof.json", "gate1_test_results.json", "rls_coverage_report.md"]);
    // No tenant data: neither seeded names nor keys of either world.
    for attachment in report.attachments.iter().filter(|a| !own.contains(&a.name.as_str())) {
        let text = String::from_utf8_lossy(&attachment.bytes);
        assert!(!text.contains("Aldgate") && !text.contains("@example.com") && !text.contains("a0000000-"), "{}", attachment.name);
    }
    let proof = report.attachments.iter().find(|a| a.name == "cross_tenant_isolation_proof.json").unwrap();
    let proof: serde_json::Value = serde_json::from_slice(&proof.bytes).unwrap();
    let cells = proof["matrix"].as_array().unwrap();
    assert!(cells.len() > 14 * 10);
    for cell in cells {
        let (tried, statement) = (cell["tried"] == true, cell["statement"].as_str().unwrap_or_default());
        assert!(
            tried && statement.contains(cell["table"].as_str().unwrap()) && statement.contains('<') && !statement.contains("= '"),
            "{cell}"
        );
    }
    assert_eq!(left, 0);
    assert_eq!(Catalog::read(&admin, &[]).await.unwrap().fingerprint(), before);
    assert_eq!(admin.one(rows, &[]).await.unwrap().get::<_, i64>(0), counted);
    let Some(Product::RowSecurity(product)) = &report.product else { panic!("no product") };
    assert_eq!((product.isolated.len(), product.total, product.suites[0].passed), (14, 14, 7));
    assert_eq!(product.model["root"], "public.tenants");
    let mutation = product.mutation.as_ref().unwrap();
    assert!(mutation.tried > 0 && mutation.noticed == mutation.tried - mutation.explained && mutation.tested > 0, "{mutation:?}");
    println!("{log}");
}

#[tokio::test(flavor = "current_thread")]
async fn without_a_copy_or_with_another_catalog_isolation_is_unknown() {
    let db = application().await;
    let (report, _, _) = run(&db, &config(), false, "").await;
    let outcome = |report: &StepReport, code: &str| report.evidence.iter().find(|e| e.check.as_str() == code).unwrap().outcome.clone();
    assert!(matches!(outcome(&report, "rls-isolation"), CheckOutcome::Unknown(why) if why.contains("no post-migration backup")));
    assert!(matches!(outcome(&report, "isolation-tests"), CheckOutcome::Unknown(_)));
    assert_eq!(outcome(&report, "rls-enabled"), CheckOutcome::Pass);
    assert_eq!(report.headline, "0 of 14 tables isolated, 14 undecided, 0 of 7 tests");

    let (report, _, left) = run(&db, &config(), true, "ALTER POLICY users_select ON users USING (true)").await;
    assert!(matches!(outcome(&report, "rls-isolation"), CheckOutcome::Unknown(why) if why.contains("differs from the target")));
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_role_that_is_bound_by_policies_cannot_be_the_judge() {
    let db = application().await;
    let admin = db.admin().await;
    admin.batch("CREATE ROLE bound_judge LOGIN; GRANT app_user TO bound_judge").await.unwrap();
    let isolation = migration_ledger::steps::row_security::isolate(&db.target("bound_judge").await, &stated(), &|_| ()).await.unwrap();
    for evidence in &isolation.evidence {
        assert!(
            matches!(&evidence.outcome, CheckOutcome::Unknown(why) if why.contains("does not bypass row security")),
            "{}",
            evidence.outcome
        );
    }
    let session = db.target("migrator").await.session(Access::ReadOnly).await.unwrap();
    let tenants: i64 = session.one("SELECT count(*) FROM public.tenants", &[]).await.unwrap().get(0);
    assert_eq!(tenants, 3, "nothing was built");
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_project_does_not_declare_is_not_examined_and_makes_no_paper() {
    let outcome = |report: &StepReport, code: &str| report.evidence.iter().find(|e| e.check.as_str() == code).unwrap().outcome.to_string();
    let papers = |report: &StepReport| report.attachments.iter().map(|a| a.name.clone()).collect::<Vec<_>>();
    let db = TestDb::with("CREATE TABLE notes (id int PRIMARY KEY)").await;
    db.admin().await.batch("ALTER TABLE notes OWNER TO migrator").await.unwrap();
    let mut config = config();
    config.tenancy = Default::default();
    config.checks.folders.clear();
    let (report, log, _) = run(&db, &config, true, "").await;
    for code in ["rls-enabled", "rls-forced", "rls-isolation", "rls-isolation-no-context"] {
        let found = outcome(&report, code);
        assert!(found.starts_with("unknown: not examined: ") && found.contains("[tenancy] single-tenant = "), "{code}: {found}\n{log}");
    }
    let tests = outcome(&report, "isolation-tests");
    assert!(tests.starts_with("unknown: not examined: set [checks] folders") && tests.contains("no-isolation-tests"), "{tests}");
    assert_eq!(papers(&report), ["rls_coverage_report.md"]);
    assert_eq!(report.headline, "no tenant table examined");

    config.tenancy.single_tenant = Some("one customer".into());
    config.checks.no_isolation_tests = Some("nobody logs in".into());
    let (report, ..) = run(&db, &config, true, "").await;
    assert_eq!(outcome(&report, "rls-isolation"), "not-applicable: ledger.toml, [tenancy] single-tenant: one customer");
    assert_eq!(outcome(&report, "isolation-tests"), "not-applicable: ledger.toml, [checks] no-isolation-tests: nobody logs in");
    assert_eq!(papers(&report), ["rls_coverage_report.md"]);

    // What is said does not hide what the catalog shows.
    db.admin().await.batch("ALTER TABLE notes ENABLE ROW LEVEL SECURITY").await.unwrap();
    let (report, ..) = run(&db, &config, true, "").await;
    assert_eq!(outcome(&report, "rls-forced"), "fail");
}
