//! CE-23 on real databases: the clean reference application, each planted fault, and schemas in other styles.

#[path = "row_security/faults.rs"]
mod faults;
#[path = "row_security/foreign.rs"]
mod foreign;
#[path = "row_security/mutation.rs"]
mod mutation;
#[path = "row_security/reproduce.rs"]
mod reproduce;
#[path = "row_security/schemas.rs"]
mod schemas;
#[path = "row_security/second.rs"]
mod second;
#[path = "row_security/server.rs"]
mod server;
#[path = "row_security/stated.rs"]
mod stated;
#[path = "row_security/step.rs"]
mod step;
#[path = "row_security/styles.rs"]
mod styles;
mod support;
#[path = "row_security/ways.rs"]
mod ways;

use std::path::Path;

use migration_ledger::config::{Identity, Tenancy};
use migration_ledger::domain::product::CellVerdict;
use migration_ledger::domain::{CheckOutcome, Evidence, Severity};
use migration_ledger::pg::Access;
use migration_ledger::steps::row_security::model::Model;
use migration_ledger::steps::row_security::shape::Shape;
use migration_ledger::steps::row_security::{Isolation, coverage, isolate, own_tests, parameters};
use support::TestDb;

/// The fourteen tables as the reference application's settings state them.
pub fn stated() -> Tenancy {
    let names = [
        "tenants",
        "users",
        "projects",
        "documents",
        "clauses",
        "analyses",
        "alerts",
        "extractions",
        "stakeholders",
        "wbs_items",
        "bom_items",
        "stakeholder_wbs_raci",
        "ai_usage_logs",
        "audit_logs",
    ];
    Tenancy {
        tables: names.map(|name| format!("public.{name}")).to_vec(),
        root: Some("public.tenants".into()),
        column: Some("tenant_id".into()),
        roles: vec!["app_user".into()],
        force: true,
        identity: Some(Identity { setting: "app.tenant_id".into(), claim: String::new() }),
        ..Tenancy::default()
    }
}

/// The migrated reference application with data, owned by `migrator`.
pub async fn application() -> TestDb {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts");
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let names = ["001_initial_schema", "002_row_level_security", "003_foreign_keys", "004_performance_indexes", "005_audit_logging"];
    let mut sql = String::new();
    for (number, name) in names.iter().enumerate() {
        sql.push_str(&file(&format!("{name}.sql")));
        if number == 0 {
            sql.push_str("\nSET ledger_demo.rows = 200;\n");
            sql.push_str(&file("seed.sql"));
        }
        sql.push('\n');
    }
    TestDb::from_template("application", "migrator", &sql).await
}

/// What the step's two halves found.
pub struct Examined {
    pub evidence: Vec<Evidence>,
    pub isolation: Isolation,
}

impl Examined {
    /// Coverage and probe of a database as a role. The database is spent afterwards.
    pub async fn of(db: &TestDb, role: &str, stated: &Tenancy) -> Self {
        let target = db.target(role).await;
        let session = target.session(Access::ReadOnly).await.unwrap();
        let shape = Shape::read(&session).await.unwrap();
        let model = Model::find(&shape, stated);
        let mut evidence = coverage(&session, &parameters(&shape, &model, stated), &|_| ()).await;
        drop(session);
        let isolation = isolate(&target, stated, &|_| ()).await.unwrap();
        evidence.extend(isolation.evidence.iter().cloned());
        Self { evidence, isolation }
    }

    /// Check → subjects found bad; what is merely slow or untidy (below medium) apart.
    pub fn findings(&self) -> Vec<(String, String)> {
        let findings = self.evidence.iter().flat_map(Evidence::findings).filter(|f| f.severity >= Severity::Medium);
        findings.map(|f| (f.check.to_string(), f.subject)).collect()
    }

    pub fn check(&self, code: &str) -> &Evidence {
        self.evidence.iter().find(|e| e.check.as_str() == code).unwrap_or_else(|| panic!("{code} was not asked"))
    }

    /// Leaking cells as `table command (context)`.
    pub fn leaks(&self) -> Vec<String> {
        let cells = self.isolation.cells.iter().filter(|cell| cell.cell.verdict == CellVerdict::Leak);
        cells.map(|cell| format!("{} {} ({})", cell.cell.table, cell.cell.command, cell.cell.context)).collect()
    }

    /// Undecided cells with their reasons.
    pub fn undecided(&self) -> Vec<String> {
        let cells = self.isolation.cells.iter().filter(|cell| cell.cell.verdict == CellVerdict::Undecided);
        cells.map(|cell| format!("{} {} ({}): {}", cell.cell.table, cell.cell.command, cell.cell.context, cell.cell.why)).collect()
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_clean_application_gives_no_finding_as_migrator_and_as_superuser() {
    for role in ["migrator", "postgres"] {
        let db = application().await;
        let examined = Examined::of(&db, role, &stated()).await;
        assert_eq!(examined.undecided(), Vec::<String>::new(), "{role}: {:?}", examined.isolation.lines);
        assert_eq!(examined.findings(), Vec::new(), "{role}");
        for evidence in &examined.evidence {
            assert!(
                matches!(evidence.outcome, CheckOutcome::Pass | CheckOutcome::NotApplicable(_)),
                "{}: {}",
                evidence.check,
                evidence.outcome
            );
        }
        for code in ["rls-enabled", "rls-forced", "rls-policies-per-command", "rls-isolation", "rls-isolation-no-context"] {
            assert_eq!(examined.check(code).rows.len(), 14, "{code}");
        }
        assert!(examined.isolation.replica, "{role} may set session_replication_role");
        // Every cell has its positive control: the application may do everything with its own rows.
        let denied: Vec<_> = examined.isolation.cells.iter().filter(|c| c.cell.verdict == CellVerdict::Denied).map(|c| &c.cell).collect();
        assert!(denied.is_empty(), "{denied:?}");
        println!("{:?}", examined.isolation.lines);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_need_be_stated_for_the_reference_application() {
    let db = application().await;
    let examined = Examined::of(&db, "migrator", &Tenancy::default()).await;
    assert_eq!(examined.undecided(), Vec::<String>::new(), "{:?}", examined.isolation.lines);
    assert_eq!(examined.findings(), Vec::new());
    assert_eq!(examined.isolation.tables.len(), 14, "{:?}", examined.isolation.tables);
}

#[tokio::test(flavor = "current_thread")]
async fn the_seven_isolation_tests_of_the_application_pass_and_one_fails_on_an_open_table() {
    let db = application().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = own_tests::declared(root, &["migrations/contracts/checks/isolation".into()]);
    assert_eq!(tests.len(), 7);
    let target = db.target("migrator").await;
    for test in &tests {
        let run = own_tests::run(&target, test).await;
        assert_eq!(run.outcome, CheckOutcome::Pass, "{}: {:?}", run.name, run.rows);
    }
    db.admin().await.batch("ALTER TABLE clauses DISABLE ROW LEVEL SECURITY").await.unwrap();
    let mut failed = Vec::new();
    for test in &tests {
        let run = own_tests::run(&target, test).await;
        if run.outcome == CheckOutcome::Fail {
            failed.push(run.name);
        }
    }
    assert!(failed.contains(&"nothing-without-context".to_owned()), "{failed:?}");
}
