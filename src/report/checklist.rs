//! The go/no-go checklist: measured items, attested items, approvals; and what they come to.
//!
//! The verdict is about evidence, the decision about production: it needs the verdict, every required item, and a sign-off that
//! is APPROVED. Whatever is open keeps it UNDECIDED and is named. Pure.

use serde::Serialize;

use super::format::{self, Mark};
use crate::domain::Outcome;
use crate::domain::plan::{Attestation, AttestationList, StepKind};
use crate::domain::verdict::{Judgement, Verdict};
use crate::record::Run;

/// Where the sign-off stands, as `sign` computed it over the decisions and the verifier's own keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignOffState {
    /// `APPROVED`, `DENIED`, `MISSING(cto)`, `STALE`, `EXPIRED`, `SOD-VIOLATION(reason)`, …
    pub word: String,
    pub approved: bool,
    pub denied: bool,
    /// Who signed what, one line each.
    pub by: Vec<String>,
    pub seq: Option<u64>,
}

/// The whole checklist.
#[derive(Clone, Debug, Serialize)]
pub struct Checklist {
    pub sections: Vec<Section>,
    pub sign_off: Option<SignOffState>,
    /// Required items that are neither fulfilled nor failed, in order.
    pub open: Vec<String>,
    /// Required items that failed.
    pub failed: Vec<String>,
}

/// One list of the plan.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    pub title: &'static str,
    pub items: Vec<Item>,
}

/// One item.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    pub id: String,
    pub item: String,
    /// `measured`, `attested` or `approval`.
    pub kind: &'static str,
    pub mark: Mark,
    /// By whom and when, or what was measured, or the command that closes it.
    pub text: String,
    pub seq: Option<u64>,
    pub required: bool,
}

/// Builds the checklist. Without a sign-off state (in a report, which is signed afterwards) approvals are open.
pub fn checklist(run: &Run, judgement: &Judgement, sign_off: Option<SignOffState>) -> Checklist {
    use AttestationList::{AfterExecution, BeforeExecution, MigrationSuccessful, ReadyForProduction, ThisWeek};
    let plan = &run.config.plan;
    let mut sections = Vec::new();
    for list in [ThisWeek, BeforeExecution, AfterExecution, MigrationSuccessful, ReadyForProduction] {
        let items: Vec<Item> =
            plan.attestations.iter().filter(|a| a.list == list).map(|a| item(run, judgement, a, sign_off.as_ref())).collect();
        if !items.is_empty() {
            sections.push(Section { title: list.title(), items });
        }
    }
    let approvals: Vec<Item> = judgement
        .gates
        .iter()
        .flat_map(|gate| &gate.rules)
        .filter_map(|judged| {
            let role = judged.rule.approval.as_ref()?;
            let (mark, text, seq) = approval(role.as_str(), sign_off.as_ref());
            Some(Item { id: role.to_string(), item: judged.rule.rule.clone(), kind: "approval", mark, text, seq, required: true })
        })
        .collect();
    if !approvals.is_empty() {
        sections.push(Section { title: "Approvals of the gates", items: approvals });
    }
    let of = |class: &str| -> Vec<String> {
        let items = sections.iter().flat_map(|s: &Section| &s.items);
        items.filter(|i| i.required && i.mark.class == class).map(|i| format!("{} ({})", i.item, i.id)).collect()
    };
    let (open, failed) = (of("unknown"), of("fail"));
    Checklist { sections, sign_off, open, failed }
}

/// What verdict, items and sign-off come to for production.
pub fn decision(judgement: &Judgement, checklist: &Checklist) -> Verdict {
    let denied = checklist.sign_off.as_ref().is_some_and(|s| s.denied);
    let approved = checklist.sign_off.as_ref().is_some_and(|s| s.approved);
    if judgement.verdict == Verdict::NoGo || denied || !checklist.failed.is_empty() {
        Verdict::NoGo
    } else if judgement.verdict == Verdict::Undecided || !approved || !checklist.open.is_empty() {
        Verdict::Undecided
    } else {
        judgement.verdict
    }
}

fn item(run: &Run, judgement: &Judgement, wanted: &Attestation, sign_off: Option<&SignOffState>) -> Item {
    let (kind, (mark, text, seq)) = if !wanted.measured_by.is_empty() {
        ("measured", measured(judgement, wanted))
    } else if let Some(role) = &wanted.approval {
        ("approval", approval(role.as_str(), sign_off))
    } else {
        ("attested", attested(run, wanted))
    };
    let (mark, text, seq) = match wanted.published && mark == Mark::PASS {
        true => published(run, sign_off.is_some()),
        false => (mark, text, seq),
    };
    let mark = if mark == Mark::OPEN && !wanted.required { Mark::OPTIONAL } else { mark };
    Item { id: wanted.id.clone(), item: wanted.item.clone(), kind, mark, text, seq, required: wanted.required }
}

fn measured(judgement: &Judgement, wanted: &Attestation) -> (Mark, String, Option<u64>) {
    let tasks: Vec<_> = judgement.tasks.iter().filter(|t| wanted.measured_by.contains(&t.task)).collect();
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Fail => 3,
        Outcome::Unknown(_) => 2,
        Outcome::Skipped(_) => 1,
        Outcome::Pass => 0,
    };
    let Some(worst) = tasks.iter().rev().max_by_key(|t| rank(&t.outcome)) else {
        return (Mark::UNKNOWN, "the plan has no such task".into(), None);
    };
    let text = match &worst.outcome {
        Outcome::Pass if tasks.len() == 1 => format!("{} passed", worst.task),
        Outcome::Pass => format!("{} of {} tasks passed", tasks.len(), tasks.len()),
        outcome => {
            let why = outcome.why().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{} {}{why}", worst.task, outcome.word())
        }
    };
    (Mark::outcome(&worst.outcome), text, worst.seq)
}

/// Whether the run's present state was published. A report cannot know: it is what is published.
fn published(run: &Run, after: bool) -> (Mark, String, Option<u64>) {
    match run.published.iter().rev().find(|(_, size, _)| *size == run.cut) {
        Some((seq, size, _)) if after => {
            (Mark::PASS, format!("report published over {size} entries; ledger verify answers for the package"), Some(*seq))
        }
        _ if after => (Mark::OPEN, "not published over the run's present state: ledger sign-off or ledger package".into(), None),
        _ => (Mark::OPEN, "made from this document, so it cannot stand in it; ledger go-no-go shows it".into(), None),
    }
}

fn attested(run: &Run, wanted: &Attestation) -> (Mark, String, Option<u64>) {
    match (run.attested(&wanted.id), run.doubted(&wanted.id)) {
        (Some(a), _) => {
            let late = if late(run, wanted, a.seq) { ", after the execution had begun" } else { "" };
            (Mark::ATTESTED, format!("by {}, {}{late}: {}", a.by, format::time(&a.ts), a.statement.trim()), Some(a.seq))
        }
        (None, Some((a, why))) => {
            let text = format!("by {}, {}: not counted, {why}; ledger attest {}", a.by, format::time(&a.ts), wanted.id);
            (Mark::OPEN, text, Some(a.seq))
        }
        (None, None) => (Mark::OPEN, format!("ledger attest {}", wanted.id), None),
    }
}

/// Whether an item of "before execution" was vouched for only after the deciding execution had begun.
fn late(run: &Run, wanted: &Attestation, seq: u64) -> bool {
    let execution = run.config.plan.task_using(StepKind::Execute).and_then(|task| run.latest(&task.id));
    wanted.list == AttestationList::BeforeExecution && execution.is_some_and(|(attempt, _)| attempt.started_seq < seq)
}

fn approval(role: &str, sign_off: Option<&SignOffState>) -> (Mark, String, Option<u64>) {
    match sign_off {
        None => (Mark::OPEN, format!("{role}: given over this document with ledger sign-off, so it cannot stand in it"), None),
        Some(state) if state.approved => (Mark::APPROVED, state.by.join("; "), state.seq),
        Some(state) if state.denied => (Mark::DENIED, state.by.join("; "), state.seq),
        Some(state) => (Mark::OPEN, format!("{role}: {}", state.word), state.seq),
    }
}
