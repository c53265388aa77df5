//! A run built by hand: every kind of product, one finding, one advisory, one unknown, one check that does not apply.

use std::collections::BTreeMap;

use migration_ledger::config::Config;
use migration_ledger::domain::locks::{LockMode, LockTaken, LockWait};
use migration_ledger::domain::product::*;
use migration_ledger::domain::verdict::CheckResult;
use migration_ledger::domain::{CheckOutcome, Evidence, Outcome, RunId, Severity, SubjectRow, TaskId};
use migration_ledger::record::{
    Attempt, AttemptResult, AttestationRecord, EntryInfo, LogText, PartInfo, ResultDocument, Run, SignerRecord,
};

/// The shipped plan.
pub fn config() -> (Config, Vec<u8>) {
    let bytes = include_bytes!("../../templates/ledger.toml").to_vec();
    (Config::parse(&bytes, "ledger.toml".as_ref()).unwrap(), bytes)
}

pub const TABLES: [&str; 14] = [
    "ai_usage_logs",
    "alerts",
    "analyses",
    "audit_logs",
    "bom_items",
    "clauses",
    "documents",
    "extractions",
    "projects",
    "stakeholder_wbs_raci",
    "stakeholders",
    "tenants",
    "users",
    "wbs_items",
];

fn at(minute: u64, second: u64) -> String {
    format!("2026-01-08T10:{minute:02}:{second:02}.000000Z")
}

pub fn evidence(check: &str, title: &str, severity: Severity, rows: Vec<SubjectRow>, outcome: CheckOutcome) -> Evidence {
    Evidence {
        check: check.into(),
        title: title.into(),
        severity,
        why: "because".into(),
        fix: "ALTER TABLE … FORCE ROW LEVEL SECURITY".into(),
        sql_sha256: Some("ab".repeat(32)),
        method: None,
        parameters: serde_json::Value::Null,
        asked_of: "target".into(),
        started: at(0, 1),
        duration_us: 3_200,
        min_subjects: 1,
        rows,
        outcome,
    }
}

fn pass(check: &str, title: &str, subjects: &[&str]) -> Evidence {
    let rows = subjects.iter().map(|s| SubjectRow::new(format!("public.{s}"), true, "as it should be", "as it should be")).collect();
    evidence(check, title, Severity::High, rows, CheckOutcome::Pass)
}

/// A run that fills itself entry by entry.
pub struct Builder {
    pub run: Run,
    next: u64,
}

impl Builder {
    pub fn new() -> Self {
        let (config, config_bytes) = config();
        let run = Run {
            id: RunId::new("staging_migration_20260108"),
            opened_seq: 1,
            opened: at(0, 0),
            actor: "dba@example.com".into(),
            host: "build-7".into(),
            target: serde_json::json!({"system_identifier": "7412345678901234567", "database": "contracts_staging", "server_version": "17.5"}),
            config_bytes,
            config,
            migrations_digest: "5d".repeat(32),
            source_commit: "92ea243c0ffee".into(),
            tool: serde_json::json!({"name": "ledger", "version": "0.1.0", "sha256": "cd".repeat(32)}),
            attempts: Vec::new(),
            waivers: Vec::new(),
            refused: Vec::new(),
            attestations: Vec::new(),
            decisions: Vec::new(),
            notes: Vec::new(),
            parts: Vec::new(),
            entries: Vec::new(),
            signers: vec![SignerRecord {
                principal: "cto@example.com".into(),
                namespaces: vec!["signoff@ledger".into()],
                fingerprint: "SHA256:0Z1Yz3eB0hFqGJ1lZk9mYk7s0X5j0cQ2qv3w4u5t6sA".into(),
            }],
            trust: migration_ledger::sign::AllowedSigners::default(),
            rollbacks: Vec::new(),
            published: Vec::new(),
            closed: None,
            today: "2026-01-08".into(),
            cut: 2,
            end: 2,
        };
        let mut builder = Self { run, next: 1 };
        builder.entry("run.opened", None, at(0, 0));
        builder
    }

    pub fn entry(&mut self, kind: &str, task: Option<(&str, u32)>, ts: String) -> u64 {
        let seq = self.next;
        self.next += 1;
        self.run.entries.push(EntryInfo {
            seq,
            kind: kind.into(),
            ts,
            actor: "dba@example.com".into(),
            task: task.map(|(id, _)| TaskId::new(id)),
            attempt: task.map(|(_, n)| n),
            leaf: format!("{seq:064x}"),
        });
        (self.run.cut, self.run.end) = (seq + 1, seq + 1);
        seq
    }

    pub fn part(&mut self, seq: u64, name: &str) {
        let path = format!("evidence/{seq}-{name}");
        let part = PartInfo { seq, name: name.into(), media: "text/plain".into(), size: 2_048, path, redacted: false };
        self.run.parts.push(part);
    }

    #[allow(clippy::too_many_arguments)]
    pub fn task(
        &mut self,
        id: &str,
        minute: u64,
        seconds: u64,
        headline: &str,
        outcome: Outcome,
        evidence: Vec<Evidence>,
        product: Option<Product>,
    ) {
        let attempt = self.run.attempts.iter().filter(|a| a.task.as_str() == id).count() as u32 + 1;
        let started_seq = self.entry("task.started", Some((id, attempt)), at(minute, 0));
        let seq = self.entry("task.result", Some((id, attempt)), at(minute, seconds));
        let checks = evidence
            .iter()
            .map(|e| CheckResult {
                code: e.check.clone(),
                title: e.title.clone(),
                severity: e.severity,
                outcome: e.outcome.clone(),
                examined: e.rows.len() as u64,
                subjects: e.findings().map(|f| f.subject).collect(),
            })
            .collect();
        self.part(seq, "result.json");
        for e in &evidence {
            self.part(seq, &format!("check-{}.json", e.check));
        }
        let task = self.run.config.plan.task(&id.into()).unwrap().clone();
        for deliverable in task.deliverables.iter().filter(|d| d.file != "fk_inventory.csv" && !d.file.ends_with(".MD")) {
            if deliverable.file.chars().all(|c| !c.is_ascii_uppercase()) {
                self.part(seq, &deliverable.file);
            }
        }
        let log = Some(LogText {
            name: task.log_name(),
            text: format!("{} {id} attempt {attempt}\n{} done\n", at(minute, 0), at(minute, seconds)),
        });
        self.run.attempts.push(Attempt {
            task: id.into(),
            attempt,
            started_seq,
            started: at(minute, 0),
            actor: "dba@example.com".into(),
            result: Some(AttemptResult {
                seq,
                finished: at(minute, seconds),
                duration_us: seconds as i64 * 1_000_000 + 123_456,
                document: ResultDocument { outcome, headline: headline.into(), checks, stopped: None, product },
                evidence,
                log,
            }),
        });
    }
}

pub fn environment() -> Product {
    Product::Environment(EnvironmentProduct {
        server_version: "17.5".into(),
        server_version_num: 170_005,
        database: "contracts_staging".into(),
        role: "migrator".into(),
        tls: "TLSv1.3, certificate verified".into(),
        schema_version: Some("001".into()),
        database_bytes: 48_200_000,
        tables: 14,
        policies: 0,
        foreign_keys: 3,
        indexes: 18,
        backup: Some(BackupFacts {
            file: "backups/staging_pre_migration_20260108.dump".into(),
            contents_sha256: String::new(),
            sha256: "e3".repeat(32),
            bytes: 12_400_000,
            toc_entries: 61,
            tool: "pg_dump (PostgreSQL) 17.5".into(),
            dump_us: 1_900_000,
            restore_us: Some(4_200_000),
            catalog: "aa".repeat(32),
            tables: Vec::new(),
        }),
    })
}

fn files() -> Vec<FileExecution> {
    let file = |version: &str, name: &str, second: u64, us: i64| FileExecution {
        version: version.into(),
        name: name.into(),
        file: format!("{version}_{name}.sql"),
        started: at(4, second),
        duration_us: us,
        attempts: 1,
        applied: true,
        statements: vec![StatementExecution {
            number: 1,
            line: 3,
            what: "ALTER TABLE".into(),
            duration_us: us,
            rows: None,
            times: 1,
            locks: vec![LockTaken {
                relation: "public.clauses".into(),
                kind: "table".into(),
                mode: LockMode::AccessExclusive,
                held_us: us,
            }],
            rewritten: Vec::new(),
            relations: Vec::new(),
            sampled: false,
        }],
        tries: Vec::new(),
        traced: true,
        resumed: 0,
        waits: Vec::new(),
        changes: Vec::new(),
        error: None,
    };
    let waited = |mut file: FileExecution| {
        file.waits = vec![LockWait {
            waiter: "this migration".into(),
            blocker: "process 71 (reporting, app_user, idle in transaction)".into(),
            wanted: "ACCESS EXCLUSIVE on public.clauses".into(),
            seen_us: 1_200_000,
            samples: 6,
        }];
        file
    };
    vec![
        waited(file("002", "row_level_security", 1, 4_900_000)),
        file("003", "foreign_keys", 6, 31_200_000),
        file("004", "performance_indexes", 38, 9_800_000),
        file("005", "audit_logging", 48, 1_400_000),
    ]
}

fn cells(leak: bool) -> Vec<IsolationCell> {
    let mut cells = Vec::new();
    for table in TABLES {
        for context in ["other tenant", "no context"] {
            for command in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
                let leaking = leak && table == "clauses" && context == "no context" && command == "SELECT";
                let denied = table == "audit_logs" && matches!(command, "UPDATE" | "DELETE");
                let (verdict, why) = match (leaking, denied) {
                    (true, _) => (CellVerdict::Leak, "3 rows of tenant A read (expected 0)"),
                    (_, true) => (CellVerdict::Denied, "42501"),
                    _ => (CellVerdict::Isolated, "0 rows of the other tenant; control saw its own"),
                };
                cells.push(IsolationCell {
                    table: format!("public.{table}"),
                    command: command.into(),
                    context: context.into(),
                    verdict,
                    why: why.into(),
                });
            }
        }
    }
    cells
}

fn key(child: &str, column: &str, parent: &str) -> ForeignKeyFacts {
    ForeignKeyFacts {
        name: format!("{child}_{column}_fkey"),
        child: format!("public.{child}"),
        child_columns: vec![column.into()],
        parent: format!("public.{parent}"),
        parent_columns: vec!["id".into()],
        on_delete: "CASCADE".into(),
        validated: true,
        indexed: column != "parent_id",
        orphans: Some(0),
    }
}

fn keys() -> Vec<ForeignKeyFacts> {
    vec![
        key("users", "tenant_id", "tenants"),
        key("projects", "tenant_id", "tenants"),
        key("documents", "project_id", "projects"),
        key("clauses", "document_id", "documents"),
        key("analyses", "project_id", "projects"),
        key("alerts", "clause_id", "clauses"),
        key("alerts", "analysis_id", "analyses"),
        key("extractions", "document_id", "documents"),
        key("stakeholders", "project_id", "projects"),
        key("wbs_items", "project_id", "projects"),
        key("wbs_items", "parent_id", "wbs_items"),
        key("bom_items", "wbs_item_id", "wbs_items"),
        key("stakeholder_wbs_raci", "stakeholder_id", "stakeholders"),
        key("stakeholder_wbs_raci", "wbs_item_id", "wbs_items"),
        key("ai_usage_logs", "tenant_id", "tenants"),
        key("audit_logs", "tenant_id", "tenants"),
    ]
}

fn query(name: &str, before: f64, after: f64, verdict: &str) -> QueryComparison {
    QueryComparison {
        name: name.into(),
        sha256: "77".repeat(32),
        before_us: before,
        after_us: after,
        ratio: after / before,
        low: after / before * 0.97,
        high: after / before * 1.03,
        verdict: verdict.into(),
        why: "settled".into(),
        blocks: 24,
    }
}

/// A whole run; with `leak` one table leaks and the verdict is NO-GO.
pub fn run(leak: bool) -> Run {
    let mut b = Builder::new();
    let advisory = evidence(
        "server-version-untested",
        "The server's version is one that was tested",
        Severity::Low,
        vec![SubjectRow::new("server", false, "15 to 18", "19.0")],
        CheckOutcome::Fail,
    );
    let backup = pass("backup-restored", "The backup restores and equals its source", &["contracts_staging"]);
    b.task("CE-20", 0, 9, "backup 12.4 MB restored and compared", Outcome::Pass, vec![backup, advisory], Some(environment()));
    let migrations = ["002", "003", "004", "005"]
        .iter()
        .map(|v| MigrationFacts {
            version: (*v).into(),
            name: "x".into(),
            file: format!("{v}_x.sql"),
            up_sha256: "11".repeat(32),
            down_sha256: Some("22".repeat(32)),
            verify_sha256: None,
            pending: true,
            transactional: true,
            statements: 12,
            dry_run_us: Some(3_000_000),
        })
        .collect();
    let scripts =
        Product::Scripts(ScriptsProduct { layout: "plain".into(), migrations, estimate_us: Some(12_000_000), rehearsed: files() });
    b.task(
        "CE-21",
        2,
        15,
        "4 files run in a scratch copy",
        Outcome::Pass,
        vec![pass("syntax-valid", "Every file parses", &["002", "003"])],
        Some(scripts),
    );
    let execute = Product::Execute(ExecuteProduct {
        completed: true,
        schema_before: Some("001".into()),
        schema_after: Some("005".into()),
        files: files(),
        catalog_changes: Vec::new(),
        backup: None,
    });
    b.task(
        "CE-22",
        4,
        52,
        "002 4.9 s · 003 31.2 s · 004 9.8 s · 005 1.4 s",
        Outcome::Pass,
        vec![pass("applied", "Every pending file is applied", &["002"])],
        Some(execute),
    );
    let mut security = vec![pass("rls-forced", "Row security is forced on every tenant table", &TABLES)];
    let rows = TABLES
        .iter()
        .map(|t| match leak && *t == "clauses" {
            true => SubjectRow::new("public.clauses", false, "0 rows", "without context 3 rows of tenant A were read"),
            false => SubjectRow::new(format!("public.{t}"), true, "0 rows", "0 rows"),
        })
        .collect();
    let outcome = if leak { CheckOutcome::Fail } else { CheckOutcome::Pass };
    security.push(evidence("rls-isolation", "No tenant reads or changes another's rows", Severity::Critical, rows, outcome));
    let isolated: Vec<String> = TABLES.iter().filter(|t| !leak || **t != "clauses").map(|t| format!("public.{t}")).collect();
    let product = Product::RowSecurity(RowSecurityProduct {
        model: serde_json::Value::Null,
        cells: cells(leak),
        isolated,
        leaking: if leak { vec!["public.clauses".into()] } else { Vec::new() },
        undecided: Vec::new(),
        shared: Vec::new(),
        total: 14,
        suites: vec![SuiteResult { name: "gate 1".into(), total: 7, passed: 7, failed: 0, skipped: 0 }],
        mutation: None,
    });
    let (headline, outcome) = if leak { ("13 of 14 tables", Outcome::Fail) } else { ("14 of 14 tables", Outcome::Pass) };
    b.task("CE-23", 6, 8, headline, outcome, security, Some(product));
    let unindexed = evidence(
        "fk-unindexed",
        "Every foreign key has an index on its child side",
        Severity::Medium,
        vec![SubjectRow::new("wbs_items_parent_id_fkey", false, "an index", "none")],
        CheckOutcome::Fail,
    );
    let product = Product::ForeignKeys(ForeignKeysProduct { keys: keys(), expected: 16, missing: Vec::new() });
    b.task(
        "CE-24",
        7,
        3,
        "16 keys, 0 orphans",
        Outcome::Pass,
        vec![pass("fk-orphans", "No row points at nothing", &TABLES), unindexed],
        Some(product),
    );
    let none = evidence(
        "triggers-enabled",
        "No trigger is disabled",
        Severity::High,
        Vec::new(),
        CheckOutcome::NotApplicable("there is no trigger".into()),
    );
    let tables = TABLES
        .iter()
        .enumerate()
        .map(|(i, t)| RowDelta { table: format!("public.{t}"), before: Some(1_000 * (i as u64 + 1)), after: Some(1_000 * (i as u64 + 1)) })
        .collect();
    let product = Product::Integrity(IntegrityProduct { tables, suites: Vec::new() });
    b.task(
        "CE-25",
        8,
        4,
        "105 000 rows in 14 tables",
        Outcome::Pass,
        vec![pass("no-null-tenant", "No tenant_id is NULL", &TABLES), none],
        Some(product),
    );
    let product = Product::Performance(PerformanceProduct {
        limit_percent: 10.0,
        queries: vec![
            query("alerts_by_tenant", 8_200.0, 1_900.0, "improved"),
            query("clauses_of_document", 6_100.0, 6_200.0, "within-limit"),
            query("open_analyses", 12_000.0, 4_100.0, "improved"),
        ],
        geometric_mean: Some(0.43),
        control_low: 0.985,
        control_high: 1.012,
        index_scans: BTreeMap::new(),
    });
    b.task(
        "CE-26",
        9,
        25,
        "3 queries, none slower than +10 %",
        Outcome::Pass,
        vec![pass("latency-within-limit", "No query is slower than the limit", &["alerts"])],
        Some(product),
    );
    let step = |version: &str, name: &str, us| RollbackStep {
        version: version.into(),
        name: name.into(),
        file: Some(format!("{version}_{name}.down.sql")),
        duration_us: Some(us),
    };
    let product = Product::Rollback(RollbackProduct {
        from_version: "005".into(),
        target_version: "003".into(),
        steps: vec![step("005", "audit_logging", 320_000), step("004", "performance_indexes", 110_000)],
        down_us: Some(430_000),
        up_again_us: Some(11_200_000),
        differences: Vec::new(),
        restore_us: Some(4_200_000),
        no_way_back: Vec::new(),
    });
    b.task(
        "CE-27",
        10,
        18,
        "005 → 003 → 005, no difference",
        Outcome::Pass,
        vec![pass("rollback-equal", "Catalog and data are as before", &["x"])],
        Some(product),
    );
    let seq = b.entry("attestation", None, at(11, 0));
    b.run.attestations.push(AttestationRecord {
        seq,
        ts: at(11, 0),
        item: "review-plan".into(),
        by: "lead@example.com".into(),
        statement: "Reviewed with the whole team.".into(),
        doubt: None,
    });
    b.task("CE-28", 12, 1, "report rendered", Outcome::Pass, vec![pass("report-rendered", "The report can be made", &["report"])], None);
    b.run
}
