//! CE-28: everything the plan promised is on the ledger, and the report can be made.
//!
//! What the results say is the verdict's business; here is asked only whether they, the deliverables and the report exist.

use serde_json::{Value, json};

use super::{Context, StepError, StepReport};
use crate::checks::ask::Asked;
use crate::checks::find;
use crate::domain::plan::Deliverable;
use crate::domain::{Outcome, SubjectRow};

/// Looks at the run so far; touches no database.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let asked = Asked::now();
    let rows = tasks(cx);
    ask(report, "tasks-have-results", asked, "run", json!({ "tasks": cx.config.plan.tasks.len() }), rows)?;
    let asked = Asked::now();
    let rows = deliverables(cx);
    ask(report, "deliverables-present", asked, "run", Value::Null, rows)?;
    let rows = rendered(cx);
    report.headline = match cx.rendered {
        Some(Ok(files)) => format!("report of {}", super::paper::counted(files.len() as u64, "file", "files")),
        Some(Err(_)) => "the report could not be made".into(),
        None => "the report was not made".into(),
    };
    for row in report.evidence.iter().flat_map(|e| &e.rows).chain(&rows) {
        let mark = row.ok.map_or("unknown", |ok| if ok { "ok" } else { "wrong" });
        cx.log.line(format!("{mark}: {}: {}", row.subject, row.observed));
    }
    // Rendered before this step began, by the engine.
    ask(report, "report-renders", Asked::unmeasured(), "report", Value::Null, rows)
}

fn ask(report: &mut StepReport, code: &str, asked: Asked, of: &str, parameters: Value, rows: Vec<SubjectRow>) -> Result<(), StepError> {
    let check = find(code).ok_or_else(|| StepError::cannot(format!("the check {code} is not in the list")))?;
    report.evidence.push(asked.answered(check, of, parameters, rows));
    Ok(())
}

/// Every other task has a result. A result that was skipped is one; it counts as what it is in the verdict.
fn tasks(cx: &Context<'_>) -> Vec<SubjectRow> {
    let others = cx.config.plan.tasks.iter().filter(|task| task.id != cx.task.id);
    others
        .map(|task| match cx.results.iter().rev().find(|result| result.task == task.id) {
            Some(result) => {
                let observed = match &result.outcome {
                    Outcome::Skipped(why) => format!("skipped: {why}"),
                    outcome => format!("{} (attempt {}, entry {})", outcome.word(), result.attempt, result.seq),
                };
                SubjectRow::new(task.id.as_str(), true, "a result", observed)
            }
            None => SubjectRow::undecided(task.id.as_str(), "a result", "not run"),
        })
        .collect()
}

/// Every deliverable stands where the plan says: parts on the ledger, report files among what was rendered. A task without a
/// result, or a skipped one, cannot have delivered, and one that is Unknown may have had nothing to deliver; that is not a second
/// failure, but not established either. What this task itself still has to write is
/// left out.
fn deliverables(cx: &Context<'_>) -> Vec<SubjectRow> {
    let mut rows = Vec::new();
    for task in &cx.config.plan.tasks {
        let own = task.id == cx.task.id;
        let latest = cx.results.iter().rev().find(|r| r.task == task.id).map(|r| &r.outcome);
        for deliverable in &task.deliverables {
            let subject = format!("{}: {}", task.id, deliverable.file);
            rows.push(match present(cx, deliverable) {
                Some(true) => SubjectRow::new(subject, true, &deliverable.name, "present"),
                Some(false) if own && !is_report_file(&deliverable.file) => continue,
                Some(false) => match latest {
                    Some(Outcome::Pass | Outcome::Fail) => SubjectRow::new(subject, false, &deliverable.name, "missing"),
                    _ if own => SubjectRow::new(subject, false, &deliverable.name, "missing"),
                    Some(Outcome::Unknown(_)) => {
                        SubjectRow::undecided(subject, &deliverable.name, "missing; its task could not establish it")
                    }
                    Some(Outcome::Skipped(_)) | None => SubjectRow::undecided(subject, &deliverable.name, "its task did not run"),
                },
                None => SubjectRow::undecided(subject, &deliverable.name, "the report was not rendered"),
            });
        }
    }
    rows
}

/// Whether the deliverable exists; `None`: only the rendered report could tell, and there is none.
fn present(cx: &Context<'_>, deliverable: &Deliverable) -> Option<bool> {
    let file = deliverable.file.as_str();
    if cx.parts.iter().any(|part| part == file) {
        return Some(true);
    }
    match cx.rendered {
        Some(Ok(files)) => Some(files.iter().any(|(name, size)| named(name, file) && *size > 0)),
        Some(Err(_)) | None if is_report_file(file) => None,
        Some(Err(_)) | None => Some(false),
    }
}

/// Report files carry the plan's own names, in capitals: `ROLLBACK_PROCEDURE.md`. Parts are never so named.
fn is_report_file(file: &str) -> bool {
    file.chars().any(|c| c.is_ascii_uppercase())
}

/// `docs/X.md` and `X.md` name the same report file; without an extension any rendering of it will do.
fn named(rendered: &str, wanted: &str) -> bool {
    let name = rendered.rsplit('/').next().unwrap_or(rendered);
    let wanted = wanted.rsplit('/').next().unwrap_or(wanted);
    name == wanted || (!wanted.contains('.') && name.split('.').next() == Some(wanted))
}

fn rendered(cx: &Context<'_>) -> Vec<SubjectRow> {
    let expected = "rendered, not empty";
    match cx.rendered {
        Some(Ok(files)) => files.iter().map(|(name, size)| SubjectRow::new(name, *size > 0, expected, format!("{size} bytes"))).collect(),
        Some(Err(why)) => vec![SubjectRow::new("report", false, expected, why)],
        None => vec![SubjectRow::undecided("report", expected, "it was not rendered")],
    }
}
