//! Per task, everything: checks with counts, findings, advisories, times, deliverables, attempts and the log.

use serde::Serialize;

use super::format::{self, Mark};
use super::model::Counts;
use crate::domain::plan::{StepKind, Task};
use crate::domain::verdict::{CheckResult, Judgement};
use crate::domain::{CheckOutcome, Evidence, Outcome, Severity};
use crate::record::{Attempt, AttemptResult, Run, check_part_name};

/// One task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskView {
    pub id: String,
    pub name: String,
    pub phase: String,
    pub uses: &'static str,
    pub mark: Mark,
    pub why: String,
    pub headline: String,
    pub roles: String,
    pub planned: String,
    pub started: String,
    pub duration: String,
    pub actor: String,
    pub seq: Option<u64>,
    pub counts: Counts,
    pub counts_sentence: String,
    pub success: Vec<String>,
    pub checks: Vec<CheckView>,
    pub findings: Vec<FindingView>,
    pub deliverables: Vec<DeliverableView>,
    pub attempts: Vec<AttemptView>,
    pub log: Option<LogView>,
}

/// One check of the deciding attempt.
#[derive(Clone, Debug, Serialize)]
pub struct CheckView {
    pub code: String,
    pub title: String,
    pub severity: &'static str,
    pub mark: Mark,
    pub why: String,
    pub examined: u64,
    pub bad: u64,
    pub asked_of: String,
    pub duration: String,
    /// SHA-256 of the question, hex.
    pub sql_sha256: String,
    /// The evidence in the unpacked package, relative to the report; empty: erased or not kept.
    pub href: String,
}

/// One bad subject. Findings below the plan's `fail-at` are advisories.
#[derive(Clone, Debug, Serialize)]
pub struct FindingView {
    pub mark: Mark,
    pub check: String,
    pub severity: &'static str,
    pub subject: String,
    pub expected: String,
    pub observed: String,
    pub fix: String,
    /// Set instead of a subject where more findings stand in the evidence than are shown.
    pub more: u64,
}

/// A file the plan promises.
#[derive(Clone, Debug, Serialize)]
pub struct DeliverableView {
    pub name: String,
    pub file: String,
    pub mark: Mark,
    pub seq: Option<u64>,
    pub href: String,
}

/// One attempt, finished or interrupted.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptView {
    pub attempt: u32,
    pub started: String,
    pub actor: String,
    pub mark: Mark,
    pub text: String,
    pub started_seq: u64,
    pub seq: Option<u64>,
    pub decides: bool,
}

/// The task's log.
#[derive(Clone, Debug, Serialize)]
pub struct LogView {
    pub name: String,
    pub lines: String,
    /// Lines not shown; the whole log is a part of the entry.
    pub omitted: u64,
}

/// What only the package has: it is made after, and from, the report.
const PACKAGE_FILES: [&str; 3] = ["SHA256SUMS", "VERIFY.md", "manifest.json"];
const FINDINGS_SHOWN: usize = 50;
const LOG_LINES_SHOWN: usize = 60;

/// All tasks, in plan order.
pub fn tasks(run: &Run, judgement: &Judgement) -> Vec<TaskView> {
    let plan = &run.config.plan;
    plan.tasks
        .iter()
        .map(|task| {
            let outcome = judgement.tasks.iter().find(|t| t.task == task.id).map(|t| t.outcome.clone());
            view(run, task, &outcome.unwrap_or_else(|| Outcome::Unknown("not judged".into())))
        })
        .collect()
}

fn view(run: &Run, task: &Task, outcome: &Outcome) -> TaskView {
    let latest = run.latest(&task.id);
    let result = latest.map(|(_, r)| r);
    let fail_at = run.config.plan.fail_at;
    let mut counts = Counts::default();
    for check in result.iter().flat_map(|r| &r.document.checks) {
        counts.add(&check.outcome, check.severity < fail_at);
    }
    let roles: Vec<String> = task
        .roles
        .iter()
        .map(|id| run.config.plan.roles.iter().find(|r| &r.id == id).map_or_else(|| id.to_string(), |r| r.name.clone()))
        .collect();
    TaskView {
        id: task.id.to_string(),
        name: task.name.clone(),
        phase: task.phase.clone(),
        uses: task.uses.word(),
        mark: Mark::outcome(outcome),
        why: outcome.why().unwrap_or_default().to_owned(),
        headline: result.map(|r| r.document.headline.clone()).unwrap_or_default(),
        roles: roles.join(", "),
        planned: format::minutes(task.estimate_minutes),
        started: latest.map(|(a, _)| format::time(&a.started)).unwrap_or_default(),
        duration: result.map_or_else(|| "not run".into(), |r| format::duration(r.duration_us)),
        actor: latest.map(|(a, _)| a.actor.clone()).unwrap_or_default(),
        seq: result.map(|r| r.seq),
        counts,
        counts_sentence: counts.sentence(),
        success: task.success.clone(),
        checks: result.map(|r| r.document.checks.iter().map(|c| check_view(run, r, c, fail_at)).collect()).unwrap_or_default(),
        findings: result.map(|r| r.evidence.iter().flat_map(|e| findings(e, fail_at)).collect()).unwrap_or_default(),
        deliverables: deliverables(run, task),
        attempts: attempts(run, task, latest),
        log: result.and_then(|r| r.log.as_ref()).map(|log| {
            let all: Vec<&str> = log.text.lines().collect();
            let omitted = all.len().saturating_sub(LOG_LINES_SHOWN);
            LogView { name: log.name.clone(), lines: all[omitted..].join("\n"), omitted: omitted as u64 }
        }),
    }
}

fn check_view(run: &Run, result: &AttemptResult, check: &CheckResult, fail_at: Severity) -> CheckView {
    let evidence = result.evidence.iter().find(|e| e.check == check.code);
    let part_name = check_part_name(check.code.as_str());
    let part = run.parts.iter().find(|p| p.seq == result.seq && p.name == part_name && !p.redacted);
    CheckView {
        code: check.code.to_string(),
        title: check.title.clone(),
        severity: check.severity.word(),
        mark: Mark::check(&check.outcome, check.severity < fail_at),
        why: match (&check.outcome, evidence) {
            (CheckOutcome::Unknown(why) | CheckOutcome::NotApplicable(why), _) => why.clone(),
            (_, None) => "its evidence is not here".into(),
            _ => String::new(),
        },
        examined: check.examined,
        bad: check.subjects.len() as u64,
        asked_of: evidence.map(|e| e.asked_of.clone()).unwrap_or_default(),
        duration: evidence.filter(|e| e.duration_us > 0).map(|e| format::duration(e.duration_us)).unwrap_or_default(),
        sql_sha256: evidence.and_then(|e| e.sql_sha256.clone()).unwrap_or_default(),
        href: part.map(|p| format!("../{}", p.path)).unwrap_or_default(),
    }
}

fn findings(evidence: &Evidence, fail_at: Severity) -> Vec<FindingView> {
    let mark = if evidence.severity < fail_at { Mark::ADVISORY } else { Mark::FAIL };
    let all: Vec<_> = evidence.findings().collect();
    let more = all.len().saturating_sub(FINDINGS_SHOWN) as u64;
    let row = |subject: String, expected: String, observed: String, more: u64| FindingView {
        mark: mark.clone(),
        check: evidence.check.to_string(),
        severity: evidence.severity.word(),
        subject,
        expected,
        observed,
        fix: evidence.fix.clone(),
        more,
    };
    let mut views: Vec<FindingView> = all.into_iter().take(FINDINGS_SHOWN).map(|f| row(f.subject, f.expected, f.observed, 0)).collect();
    if more > 0 {
        views.push(row(String::new(), String::new(), String::new(), more));
    }
    views
}

/// A deliverable is ticked only when an entry of the run carries a part of that name.
fn deliverables(run: &Run, task: &Task) -> Vec<DeliverableView> {
    task.deliverables
        .iter()
        .map(|wanted| {
            let part = run.parts.iter().rev().find(|p| p.name.eq_ignore_ascii_case(&wanted.file));
            let ours = super::FILES.iter().any(|name| name.eq_ignore_ascii_case(&wanted.file));
            let mark = match part {
                Some(part) if part.redacted => Mark::REDACTED,
                Some(_) => Mark::PRESENT,
                // A report cannot find itself in the entries it is made from; `published` carries it afterwards.
                None if ours && task.uses == StepKind::Readiness => Mark::THIS_REPORT,
                None if task.uses == StepKind::Readiness && PACKAGE_FILES.contains(&wanted.file.as_str()) => Mark::IN_PACKAGE,
                None => Mark::MISSING,
            };
            let made = if mark == Mark::IN_PACKAGE { " (made from this report by ledger package; ledger verify shows it)" } else { "" };
            DeliverableView {
                name: format!("{}{made}", wanted.name),
                file: wanted.file.clone(),
                seq: part.map(|p| p.seq),
                href: match part {
                    Some(part) if !part.redacted => format!("../{}", part.path),
                    None if mark == Mark::THIS_REPORT => wanted.file.clone(),
                    _ => String::new(),
                },
                mark,
            }
        })
        .collect()
}

fn attempts(run: &Run, task: &Task, latest: Option<(&Attempt, &AttemptResult)>) -> Vec<AttemptView> {
    run.attempts
        .iter()
        .filter(|a| a.task == task.id)
        .map(|attempt| {
            let (mark, text) = match &attempt.result {
                None => (Mark::UNKNOWN, "interrupted: it started and has no result".to_owned()),
                Some(result) => {
                    let why = result.document.outcome.why().unwrap_or(&result.document.headline);
                    (Mark::outcome(&result.document.outcome), format!("{}; {why}", format::duration(result.duration_us)))
                }
            };
            AttemptView {
                attempt: attempt.attempt,
                started: format::time(&attempt.started),
                actor: attempt.actor.clone(),
                mark,
                text,
                started_seq: attempt.started_seq,
                seq: attempt.result.as_ref().map(|r| r.seq),
                decides: latest.is_some_and(|(a, _)| a.started_seq == attempt.started_seq),
            }
        })
        .collect()
}
