//! CE-23: no tenant reads or writes another's rows.
//!
//! 1. The tenant model: tenants, columns, keys, identity, roles; found, printed, recorded.
//! 2. Coverage: query checks on the target, read-only.
//! 3. The team's own tests, on a scratch copy of the migrated database whose catalog equals the target's.
//! 4. Two worlds are committed in that copy, and the isolation matrix is tried for real.
//! 5. Papers: coverage report, isolation proof, test results.

mod arguments;
mod asking;
mod broken;
mod calls;
mod changes;
mod commands;
pub mod compose;
pub mod context;
mod controls;
mod copy;
mod foreign;
mod hop;
pub mod identity;
mod isolation;
pub mod labels;
pub mod matrix;
mod memberships;
mod mend;
pub mod model;
pub mod mutate;
pub mod opened;
pub mod openings;
pub mod own_tests;
mod owner;
pub mod papers;
mod probe;
pub mod reach;
pub mod reproduce;
mod sample;
pub mod second;
mod seed;
pub mod server;
pub mod shape;
mod truth;
pub mod value;
mod weigh;
pub mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use self::isolation::COPY;
pub use self::isolation::{Isolation, isolate};
use self::model::{Model, Scope};
use self::own_tests::TestRun;
use self::shape::Shape;
use super::{Context, StepError, StepReport, attach_question, suite, undeclared};
use crate::checks::ask::{Asked, ask};
use crate::checks::judge::judge;
use crate::checks::{Check, Kind, find, list};
use crate::config::Tenancy;
use crate::domain::plan::StepKind;
use crate::domain::product::{CellVerdict, FileExecution, IsolationCell, RowSecurityProduct, SuiteResult};
use crate::domain::{Evidence, Product, SubjectRow};
use crate::pg::{Access, Session};

const TARGET: &str = "target";
/// The checks whose subjects are the tenant tables and the application's roles.
const OF_TENANT_TABLES: [&str; 11] = [
    "rls-enabled",
    "rls-forced",
    "rls-policies-per-command",
    "rls-application-role-bypass",
    "rls-application-role-owner",
    "rls-dangerous-grants",
    "rls-isolation",
    "rls-isolation-no-context",
    "rls-isolation-existing-rows",
    "rls-policy-error",
    "rls-truncate",
];

/// Examines the target's coverage and a copy's isolation; the target is only read.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let session = cx.target.session_with(Access::ReadOnly, 60_000, 5_000).await?;
    let shape = Shape::read(&session).await?;
    let model = Model::find(&shape, &cx.config.tenancy);
    let model_json = model.to_json(&shape);
    cx.log.line(describe(&shape, &model, &model_json));

    let parameters = parameters(&shape, &model, &cx.config.tenancy);
    report.evidence = coverage(&session, &parameters, &|text| cx.progress.say(text)).await;
    for evidence in &report.evidence {
        cx.log.line(format!("{}: {}", evidence.check, evidence.outcome));
    }

    report.evidence.extend(server::evidence(&session, TARGET).await);
    report.evidence.extend(match cx.config.plan.task_using(StepKind::Execute) {
        None => nothing_executed(),
        Some(_) => policies_kept(cx.execution().map(|execution| (execution.catalog_changes.as_slice(), execution.files.as_slice()))),
    });
    let tests = own_tests::declared(&cx.project.root, &cx.config.checks.folders);
    let mut asked_tests = Asked::unmeasured();
    let mut runs: Vec<TestRun> = Vec::new();
    let budget = Duration::from_secs(cx.config.checks.mutation_seconds);
    let mut mutation = None;
    let copied = copy::of_target(cx, &session).await;
    let isolation = match &copied {
        Err(why) => {
            cx.log.line(format!("no scratch copy: {why}"));
            Isolation::unanswered(why)
        }
        Ok(db) => {
            // Before the worlds are built: a test counts the rows it knows.
            asked_tests = Asked::now();
            for test in &tests {
                cx.progress.say(&format!("test {}", test.file));
                runs.push(own_tests::run(db.target(), test).await);
                if let Ok(check) = &test.check {
                    attach_question(report, "own", check.code.as_str(), &check.text);
                }
            }
            asked_tests = asked_tests.stopped();
            let trial = match budget.is_zero() {
                true => None,
                false => broken::by_tests(cx, db.target(), &tests, &runs, budget / 2).await,
            };
            let isolation = isolate(db.target(), &cx.config.tenancy, &|text| cx.progress.say(text)).await;
            match isolation {
                Ok(mut isolation) => {
                    if let Some(grounds) = &isolation.grounds {
                        let scripts = reproduce::attach(db.target(), grounds, &isolation.cells, &mut isolation.evidence).await;
                        cx.log.line(format!("{scripts} scripts that show a leak again"));
                    }
                    if let Some(trial) = trial {
                        mutation = broken::by_probe(cx, db.target(), trial, &isolation, budget).await;
                    }
                    isolation
                }
                Err(error) => Isolation::unanswered(&format!("the probe could not go on: {error}")),
            }
        }
    };
    if let Ok(db) = copied
        && let Err(error) = cx.scratch.drop_db(db).await
    {
        cx.log.line(format!("the scratch copy could not be dropped: {error}"));
    }
    for line in &isolation.lines {
        cx.log.line(line);
    }
    report.evidence.extend(isolation.evidence.iter().cloned());
    report.evidence.extend(opened_by_migration(cx, &isolation).await);
    if model.tables.is_empty() && model.missing.is_empty() {
        without_tenants(&mut report.evidence, &cx.config.tenancy);
    }
    if let Some(check) = find("isolation-tests") {
        report.evidence.push(match (tests.is_empty(), runs.is_empty()) {
            (true, _) => no_tests(cx, asked_tests, check),
            (false, true) => asked_tests.unanswered(check, COPY, Value::Null, "no scratch copy to run them on"),
            (false, false) => asked_tests.answered(check, COPY, Value::Null, runs.iter().map(TestRun::subject).collect()),
        });
    }
    let (mutation, broken) = match mutation {
        Some((mutation, evidence)) => (Some(mutation), Some(evidence)),
        None => (None, find("rls-mutation").map(|check| broken::not_tried(check, budget))),
    };
    report.evidence.extend(broken);
    for run in &runs {
        cx.log.line(format!("test {}: {}", run.name, run.outcome));
    }

    let mut product = product(&model_json, &isolation, &runs, tests.len());
    product.mutation = mutation;
    // Suites that the task declares, each counted from its JUnit file.
    let suites = suite::run_declared(cx, report).await;
    if let Ok(suites) = &suites {
        product.suites.extend(suites.iter().cloned());
    }
    report.headline = papers::headline(&product);
    report.attach(
        "rls_coverage_report.md",
        "text/markdown",
        papers::coverage(&report.evidence, &model_json, &report.headline, product.mutation.as_ref()),
    );
    // Nothing examined is no deliverable.
    if !isolation.cells.is_empty() {
        report.attach_json("cross_tenant_isolation_proof.json", &papers::proof(&product, &isolation));
    }
    let counted = suites.as_deref().unwrap_or_default();
    if !runs.is_empty() || counted.iter().any(|suite| suite.total > 0) {
        report.attach_json("gate1_test_results.json", &papers::tests(&runs, tests.len(), counted, &report.evidence));
    }
    report.product = Some(Product::RowSecurity(product));
    suites.map(|_| ())
}

/// No table to isolate was found, so that what is asked of those tables was not examined. An answer about anything else stands.
fn without_tenants(evidence: &mut [Evidence], stated: &Tenancy) {
    let none = ("[tenancy] single-tenant", stated.single_tenant.as_deref());
    let set = "no table with row security or a tenant column was found; set [tenancy] tables in ledger.toml";
    for evidence in evidence.iter_mut().filter(|e| OF_TENANT_TABLES.contains(&e.check.as_str()) && e.rows.is_empty()) {
        let Some(check) = find(evidence.check.as_str()) else { continue };
        // A query that could not be asked keeps its own reason.
        if check.kind == Kind::Probe || evidence.outcome == judge(&[], check.min_subjects, check.none_is_not_applicable) {
            evidence.outcome = undeclared(Asked::unmeasured(), check, &evidence.asked_of, none, set).outcome;
        }
    }
}

/// The project has no check file of this step: its tests are the suites of the task, or nobody tried anything.
fn no_tests(cx: &Context<'_>, asked: Asked, check: &Check) -> Evidence {
    if !cx.task.suites.is_empty() {
        return asked.not_applicable(check, COPY, Value::Null, "the team's tests are the suites of the task, under suite-passed");
    }
    let none = ("[checks] no-isolation-tests", cx.config.checks.no_isolation_tests.as_deref());
    let set = "set [checks] folders in ledger.toml to the folder of the team's tests, or declare a [[plan.task.suite]] of this task";
    undeclared(asked, check, COPY, none, set)
}

/// What the query checks are asked with.
pub fn parameters(shape: &Shape, model: &Model, stated: &Tenancy) -> Value {
    let mut tables: Vec<String> = model.tables.iter().filter_map(|scoped| shape.table(scoped.oid)).map(|table| table.sql.clone()).collect();
    tables.extend(model.missing.iter().cloned());
    tables.sort();
    // Columns by which a table's rows belong to a tenant; null for the tenants' own table.
    let scopes: serde_json::Map<String, Value> = model
        .tables
        .iter()
        .filter_map(|scoped| {
            let table = shape.table(scoped.oid)?;
            let path = match &scoped.scope {
                Scope::Anchor => Value::Null,
                Scope::Path { columns, .. } => columns.iter().filter_map(|n| Some(table.column(*n)?.name.clone())).collect(),
                Scope::None => json!([]),
            };
            Some((table.sql.clone(), path))
        })
        .collect();
    // Tables whose rows are shown on purpose: true where that is sure, false where it may as well have been forgotten.
    let shown: serde_json::Map<String, Value> = model
        .tables
        .iter()
        .filter_map(|scoped| {
            let table = shape.table(scoped.oid)?;
            let (verdict, _) = weigh::meant(shape, model, table, scoped)?;
            Some((table.sql.clone(), json!(verdict == CellVerdict::Shared)))
        })
        .collect();
    json!({ "tables": tables, "roles": model.roles, "scopes": scopes, "shown": shown, "force": stated.force })
}

/// Asks every query check of this step.
pub async fn coverage(session: &Session, parameters: &Value, say: &dyn Fn(&str)) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    for check in list::of_step(StepKind::RowSecurity).filter(|check| check.kind == Kind::Query) {
        say(check.code.as_str());
        evidence.push(ask(session, check, parameters.clone(), TARGET).await);
    }
    evidence
}

/// A plan without an execution has no migrations that could take a policy away.
fn nothing_executed() -> Option<Evidence> {
    let check = find("rls-policies-kept")?;
    Some(Asked::unmeasured().not_applicable(check, TARGET, Value::Null, "no task of the plan executes migrations"))
}

/// Policies that the migrations took away, from the changes that CE-22 recorded.
pub fn policies_kept(execution: Option<(&[String], &[FileExecution])>) -> Option<Evidence> {
    let (check, asked) = (find("rls-policies-kept")?, Asked::now());
    let Some((changes, files)) = execution else {
        return Some(asked.unanswered(check, TARGET, Value::Null, "the execution of the migrations recorded no catalog changes"));
    };
    let of = |kind: &str, end: &str| -> Vec<&str> {
        let start = format!("{kind} ");
        changes.iter().filter_map(|line| line.strip_prefix(&start)?.strip_suffix(end)).collect()
    };
    let (gone, mut added, tables) = (of("policy", " removed"), of("policy", " added"), of("table", " removed"));
    let rows = gone
        .into_iter()
        .filter(|policy| !tables.iter().any(|table| policy.starts_with(&format!("{table}."))))
        .map(|policy| {
            // Names may hold dots of their own, in quotes; the policy of the same table shares the longest prefix up to a dot.
            let table = policy.rfind('.').map_or(policy, |dot| &policy[..=dot]);
            // A new policy stands in for one that went, and not for every one.
            match added.iter().position(|other| other.starts_with(table)).map(|at| added.remove(at)) {
                Some(other) => SubjectRow::new(policy, true, "kept or replaced", format!("replaced by {other}")),
                None => {
                    // Each file's own changes name the one that took it, be it by CASCADE.
                    let line = format!("policy {policy} removed");
                    let by: Vec<&str> = files.iter().filter(|file| file.changes.contains(&line)).map(|file| file.file.as_str()).collect();
                    let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
                    SubjectRow::new(policy, false, "kept or replaced", format!("removed{by}"))
                }
            }
        })
        .collect();
    Some(asked.answered(check, TARGET, Value::Null, rows))
}

/// The same probe on a copy from before the migrations, compared.
async fn opened_by_migration(cx: &Context<'_>, after: &Isolation) -> Option<Evidence> {
    const BEFORE: &str = "scratch:pre-migration";
    let check = find("rls-opened-by-migration")?;
    let asked = Asked::now();
    let has = |kind| cx.config.plan.task_using(kind).is_some();
    if !has(StepKind::Execute) {
        return Some(asked.not_applicable(check, BEFORE, Value::Null, "no task of the plan executes migrations"));
    }
    if !has(StepKind::Environment) {
        return Some(asked.not_applicable(check, BEFORE, Value::Null, "no task of the plan makes a backup before the migrations"));
    }
    if after.cells.is_empty() {
        return Some(asked.unanswered(check, BEFORE, Value::Null, "the migrated database was not probed"));
    }
    let Some(backup) = cx.environment().and_then(|environment| environment.backup.as_ref()) else {
        return Some(asked.unanswered(check, BEFORE, Value::Null, "there is no backup from before the migrations"));
    };
    cx.progress.say("scratch copy from before the migrations");
    let db = match cx.scratch.copy_of(&cx.project.path(Path::new(&backup.file)), "row-security-before").await {
        Ok((db, _)) => db,
        Err(error) => return Some(asked.unanswered(check, BEFORE, Value::Null, error.to_string())),
    };
    let before = isolate(db.target(), &cx.config.tenancy, &|text| cx.progress.say(&format!("before: {text}"))).await;
    if let Err(error) = cx.scratch.drop_db(db).await {
        cx.log.line(format!("the scratch copy could not be dropped: {error}"));
    }
    Some(match before {
        Ok(before) => asked.answered(check, BEFORE, Value::Null, opened::compare(&before, after)),
        Err(error) => asked.unanswered(check, BEFORE, Value::Null, format!("the probe could not go on: {error}")),
    })
}

fn product(model: &Value, isolation: &Isolation, runs: &[TestRun], declared: usize) -> RowSecurityProduct {
    let cells: Vec<IsolationCell> = isolation.cells.iter().map(|cell| cell.cell.clone()).collect();
    let mut found: BTreeMap<&str, Vec<CellVerdict>> = BTreeMap::new();
    // What no policy decides about is no policy's fault: rls-truncate has it.
    for cell in cells.iter().filter(|cell| cell.command != matrix::TRUNCATE) {
        found.entry(cell.table.as_str()).or_default().push(cell.verdict);
    }
    let has = |table: &String, verdict: CellVerdict| found.get(table.as_str()).is_some_and(|of| of.contains(&verdict));
    let names = model["tables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let missing = model["missing"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut all: Vec<String> = names
        .iter()
        .filter_map(|table| table["table"].as_str())
        .chain(missing.iter().filter_map(Value::as_str))
        .map(str::to_owned)
        .collect();
    let shared: Vec<String> = all.iter().filter(|table| has(table, CellVerdict::Shared)).cloned().collect();
    all.retain(|table| !shared.contains(table));
    let leaking: Vec<String> = all.iter().filter(|table| has(table, CellVerdict::Leak)).cloned().collect();
    let open = |table: &&String| has(table, CellVerdict::Undecided) || !found.contains_key(table.as_str());
    let undecided: Vec<String> = all.iter().filter(|table| !leaking.contains(table)).filter(open).cloned().collect();
    let isolated: Vec<String> = all.iter().filter(|table| !leaking.contains(table) && !undecided.contains(table)).cloned().collect();
    let count = |wanted: fn(&SubjectRow) -> bool| runs.iter().map(TestRun::subject).filter(wanted).count() as u64;
    let suites = match declared {
        0 => Vec::new(),
        declared => vec![SuiteResult {
            name: "isolation-tests".into(),
            total: declared as u64,
            passed: count(|row| row.ok == Some(true)),
            failed: count(|row| row.ok == Some(false)),
            skipped: declared as u64 - count(|row| row.ok.is_some()),
        }],
    };
    RowSecurityProduct {
        model: model.clone(),
        cells,
        isolated,
        leaking,
        undecided,
        shared,
        total: all.len() as u64,
        suites,
        mutation: None,
    }
}

fn describe(shape: &Shape, model: &Model, json: &Value) -> String {
    let mut lines = vec![format!(
        "tenant model: root {}, columns {}, roles {}, {} tables{}",
        json["root"].as_str().unwrap_or("not found"),
        model.columns.iter().cloned().collect::<Vec<_>>().join(", "),
        model.roles.join(", "),
        model.tables.len(),
        if model.stated.is_empty() { String::new() } else { format!(" (stated: {})", model.stated.join(", ")) }
    )];
    if !model.above.is_empty() {
        lines.push(format!("above the tenants, not probed: {}", model.above.join(", ")));
    }
    for identity in json["identity"].as_array().map(Vec::as_slice).unwrap_or_default() {
        lines.push(format!(
            "identity: {} is {}",
            identity["source"].as_str().unwrap_or_default(),
            identity["means"].as_str().unwrap_or_default()
        ));
    }
    for table in json["tables"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let belongs = match table["belongs"].as_str() {
            Some(text) => text.to_owned(),
            None => format!("by {}", table["belongs"]),
        };
        lines.push(format!("table {}: {belongs}", table["table"].as_str().unwrap_or_default()));
    }
    lines.push(format!("{} tables in the database, {} policies", shape.tables.len(), shape.policies.len()));
    lines.join("\n")
}
