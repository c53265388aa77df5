//! What the step hands to people: coverage report, isolation proof, test results.

use serde_json::{Value, json};

use super::Isolation;
use super::own_tests::TestRun;
use crate::domain::Evidence;
use crate::domain::product::{CellVerdict, Mutation, RowSecurityProduct, SuiteResult};
use crate::steps::paper;

/// `14 of 14 tables isolated, 7 of 7 tests`.
pub fn headline(product: &RowSecurityProduct) -> String {
    let mut headline = match product.total {
        0 => "no tenant table examined".to_owned(),
        total => format!("{} of {total} tables isolated", product.isolated.len()),
    };
    if !product.leaking.is_empty() {
        headline.push_str(&format!(", {} leaking", product.leaking.len()));
    }
    if !product.undecided.is_empty() {
        headline.push_str(&format!(", {} undecided", product.undecided.len()));
    }
    for suite in &product.suites {
        headline.push_str(&format!(", {} of {} tests", suite.passed, suite.total));
    }
    headline
}

/// `rls_coverage_report.md`.
pub fn coverage(evidence: &[Evidence], model: &Value, headline: &str, mutation: Option<&Mutation>) -> String {
    let mut out = format!("# Row security coverage\n\n{headline}\n\n## Tenant model\n\n");
    let text = |value: &Value| value.as_str().unwrap_or("not found").to_owned();
    out.push_str(&format!("Tenants: {}. Roles: {}.\n\n", paper::cell(&text(&model["root"])), paper::cell(&list(&model["roles"]))));
    for (word, key) in [
        ("Roles within a tenant, each probed", "labels"),
        ("Roles above the tenants, not probed", "above"),
        ("Roles that are tenants", "tenant_roles"),
    ] {
        let items = list(&model[key]);
        if !items.is_empty() {
            out.push_str(&format!("{word}: {}.\n\n", paper::cell(&items)));
        }
    }
    let identity = model["identity"].as_array().map(Vec::as_slice).unwrap_or_default();
    out.push_str(&paper::table(&["Identity", "Means"], identity.iter().map(|i| vec![text(&i["source"]).into(), text(&i["means"]).into()])));
    out.push('\n');
    let tables = model["tables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let belongs = |table: &Value| match table["belongs"].as_str() {
        Some(text) => text.to_owned(),
        None => match list(&table["belongs"]["through"]) {
            through if through.is_empty() => list(&table["belongs"]["columns"]),
            through => format!("{} → {through}", list(&table["belongs"]["columns"])),
        },
    };
    let answer = |code: &str, table: &str| {
        let row = evidence.iter().filter(|e| e.check.as_str() == code).flat_map(|e| &e.rows).find(|row| row.subject == table);
        match row.map(|row| (row.ok, row.observed.as_str())) {
            None => "not examined".to_owned(),
            Some((Some(true), observed)) if observed.starts_with("everybody's") => "everybody's".to_owned(),
            Some((Some(true), _)) => "yes".to_owned(),
            Some((Some(false), observed)) => format!("NO: {observed}"),
            Some((None, why)) => format!("undecided: {why}"),
        }
    };
    out.push_str(&paper::table(
        &["Table", "Belongs to a tenant by", "Enabled", "Forced", "Policies", "Isolated", "Isolated without context"],
        tables.iter().map(|table| {
            let name = text(&table["table"]);
            vec![
                name.clone().into(),
                belongs(table).into(),
                answer("rls-enabled", &name).into(),
                answer("rls-forced", &name).into(),
                answer("rls-policies-per-command", &name).into(),
                answer("rls-isolation", &name).into(),
                answer("rls-isolation-no-context", &name).into(),
            ]
        }),
    ));
    if let Some(mutation) = mutation {
        out.push_str(&broken(mutation));
    }
    out.push_str("\n## Checks\n\n");
    out.push_str(&paper::checks(evidence));
    out
}

/// What breaking the policies showed.
fn broken(mutation: &Mutation) -> String {
    let mut out = format!(
        "\n## Broken policies\n\nIn the scratch copy {} of {} ways to break a policy or a table were tried, each rolled back: {} of the {} that matter were noticed ({} by the probe, {} by catalog checks), {} cannot matter.\n",
        mutation.tried,
        mutation.total,
        mutation.noticed,
        mutation.tried - mutation.explained,
        mutation.by_probe,
        mutation.by_checks,
        mutation.explained
    );
    if mutation.has_tests {
        out.push_str(&format!(
            "The team's own check files noticed {} of the {} that they were run against.\n",
            mutation.by_tests, mutation.tested
        ));
    }
    if !mutation.survivors.is_empty() {
        out.push('\n');
        let rows = mutation.survivors.iter().map(|s| vec![s.table.clone().into(), s.mutant.clone().into(), s.why.clone().into()]);
        out.push_str(&paper::table(&["Table", "Broken", "Not noticed because"], rows));
    }
    out
}

fn list(value: &Value) -> String {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// `cross_tenant_isolation_proof.json`: every cell, no tenant data.
pub fn proof(product: &RowSecurityProduct, isolation: &Isolation) -> Value {
    let count = |verdict: CellVerdict| isolation.cells.iter().filter(|cell| cell.cell.verdict == verdict).count();
    json!({
        "method": "two tenants with a row in every table, in a scratch copy of the migrated database; each cell a statement in a savepoint, counted by a role that bypasses row security",
        "connected_as": isolation.connected_as,
        "replica_mode": isolation.replica,
        "duration_us": isolation.duration_us,
        "tables": {
            "total": product.total, "isolated": product.isolated, "leaking": product.leaking, "undecided": product.undecided,
            "shared": product.shared,
        },
        "cells": {
            "total": isolation.cells.len(),
            "isolated": count(CellVerdict::Isolated),
            "leak": count(CellVerdict::Leak),
            "denied": count(CellVerdict::Denied),
            "undecided": count(CellVerdict::Undecided),
        },
        "broken_policies": product.mutation,
        "matrix": isolation.cells.iter().map(|cell| json!({
            "table": cell.cell.table,
            "command": cell.cell.command,
            "role": cell.role,
            "context": cell.context.word(),
            "verdict": cell.cell.verdict,
            "why": cell.cell.why,
            "tried": cell.statement.is_some(),
            "statement": cell.statement,
        })).collect::<Vec<_>>(),
    })
}

/// `gate1_test_results.json`: the team's tests, the suites of the task and the checks that decide gate 1.
pub fn tests(runs: &[TestRun], declared: usize, suites: &[SuiteResult], evidence: &[Evidence]) -> Value {
    let passed = runs.iter().filter(|run| run.subject().ok == Some(true)).count();
    let failed = runs.iter().filter(|run| run.subject().ok == Some(false)).count();
    json!({
        "tests": { "total": declared, "passed": passed, "failed": failed, "not_decided": declared - passed - failed },
        "suites": suites,
        "results": runs.iter().map(TestRun::to_json).collect::<Vec<_>>(),
        "checks": evidence.iter().map(|e| json!({
            "check": e.check, "outcome": e.outcome, "subjects": e.rows.len(),
            "right": e.rows.iter().filter(|row| row.ok == Some(true)).count(),
        })).collect::<Vec<_>>(),
    })
}
