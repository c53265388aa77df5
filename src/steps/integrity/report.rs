//! The deliverables of the step: smoke test results and the integrity report.

use serde_json::{Value, json};

use crate::domain::product::{RowDelta, SuiteResult};
use crate::domain::{CheckOutcome, Evidence, SubjectRow};
use crate::steps::paper::{checks, table};

/// `smoke_test_results.json`: every check and suite of the step with what it came to.
pub fn smoke_tests(evidence: &[Evidence], own: &[String], suites: &[SuiteResult]) -> Value {
    let count = |word: &str| evidence.iter().filter(|e| e.outcome.word() == word).count();
    let results: Vec<Value> = evidence
        .iter()
        .map(|e| {
            json!({
                "check": e.check,
                "title": e.title,
                "of": if own.iter().any(|code| code == e.check.as_str()) { "the team" } else { "ledger" },
                "severity": e.severity,
                "outcome": e.outcome.word(),
                "why": e.outcome.why(),
                "examined": e.rows.len(),
                "wrong": e.findings().map(|finding| finding.subject).collect::<Vec<_>>(),
                "duration_us": e.duration_us,
            })
        })
        .collect();
    json!({
        "schema": "ledger/smoke-tests/1",
        "checks": evidence.len(),
        "passed": count("pass"),
        "failed": count("fail"),
        "unknown": count("unknown"),
        "not_applicable": count("not-applicable"),
        "results": results,
        "suites": suites,
    })
}

/// `data_integrity_report.md`.
pub fn integrity_report(evidence: &[Evidence], tables: &[RowDelta], suites: &[SuiteResult], headline: &str) -> String {
    let mut out = format!("# Data integrity\n\n{headline}\n\n## Checks\n\n{}", checks(evidence));
    out.push_str("\n## Rows before and after the migrations\n\n");
    let number = |rows: Option<u64>| rows.map_or_else(|| "–".to_owned(), |rows| rows.to_string());
    out.push_str(&table(
        &["Table", "Before", "After"],
        tables.iter().map(|delta| vec![delta.table.as_str().into(), number(delta.before).into(), number(delta.after).into()]),
    ));
    out.push_str(&apart(evidence));
    if !suites.is_empty() {
        out.push_str("\n## Suites\n\n");
        out.push_str(&table(
            &["Suite", "Tests", "Passed", "Failed", "Skipped"],
            suites.iter().map(|suite| {
                let mut cells = vec![suite.name.as_str().into()];
                cells.extend([suite.total, suite.passed, suite.failed, suite.skipped].map(|n| n.to_string().into()));
                cells
            }),
        ));
    }
    out
}

/// Rows that differ from the backup, migrated, table by table; nothing where that was not examined.
fn apart(evidence: &[Evidence]) -> String {
    let Some(rows) = evidence.iter().find(|e| e.check.as_str() == "rows-as-migrated").map(|e| &e.rows).filter(|rows| !rows.is_empty())
    else {
        return String::new();
    };
    let number =
        |row: &SubjectRow, what: &str| row.detail.get(what).and_then(Value::as_u64).map_or_else(|| "–".to_owned(), |n| n.to_string());
    let lines = rows.iter().map(|row| {
        let mut cells = vec![row.subject.as_str().into()];
        cells.extend(["lost", "gained", "changed"].map(|what| number(row, what).into()));
        cells
    });
    format!("\n## Rows against the backup, migrated\n\n{}", table(&["Table", "Lost", "Gained", "Changed"], lines))
}

/// `14 tables, 600 rows, 9 checks passed`, with what did not pass.
pub fn headline(evidence: &[Evidence], tables: &[RowDelta]) -> String {
    let rows: u64 = tables.iter().filter_map(|delta| delta.after).sum();
    let standing = tables.iter().filter(|delta| delta.after.is_some()).count() as u64;
    let count = |wanted: fn(&CheckOutcome) -> bool| evidence.iter().filter(|e| wanted(&e.outcome)).count();
    let mut out = format!(
        "{}, {}, {}",
        super::counted(standing, "table", "tables"),
        super::counted(rows, "row", "rows"),
        super::counted(count(|o| *o == CheckOutcome::Pass) as u64, "check passed", "checks passed"),
    );
    for (number, word) in [(count(|o| *o == CheckOutcome::Fail), "failed"), (count(|o| matches!(o, CheckOutcome::Unknown(_))), "unknown")] {
        if number > 0 {
            out.push_str(&format!(", {number} {word}"));
        }
    }
    out
}
