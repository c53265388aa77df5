//! The gates as a report shows them: rule, required, measured, result, entry.

use serde::Serialize;

use super::format::{self, Mark};
use crate::domain::Outcome;
use crate::domain::plan::GateRule;
use crate::domain::verdict::{JudgedRule, Judgement};
use crate::record::Run;

/// One gate.
#[derive(Clone, Debug, Serialize)]
pub struct GateView {
    pub id: String,
    pub name: String,
    pub mark: Mark,
    pub rules: Vec<RuleView>,
}

/// One rule of a gate.
#[derive(Clone, Debug, Serialize)]
pub struct RuleView {
    pub rule: String,
    pub required: String,
    pub measured: String,
    pub mark: Mark,
    pub seq: Option<u64>,
}

/// All gates, in plan order.
pub fn gates(run: &Run, judgement: &Judgement) -> Vec<GateView> {
    judgement
        .gates
        .iter()
        .map(|gate| GateView {
            id: gate.id.clone(),
            // The verdict's reason speaks of `gate 3`.
            name: format!("{}: {}", super::model::capital(&gate.id.replace('-', " ")), gate.name),
            mark: Mark::outcome(&gate.outcome),
            rules: gate.rules.iter().map(|rule| rule_view(run, rule)).collect(),
        })
        .collect()
}

fn rule_view(run: &Run, judged: &JudgedRule) -> RuleView {
    let rule = &judged.rule;
    let (measured, mark, seq) = match &judged.outcome {
        Some(outcome) => (measured(run, rule, outcome), Mark::outcome(outcome), judged.seq),
        None => unmeasured(run, rule),
    };
    RuleView { rule: rule.rule.clone(), required: required(rule), measured, mark, seq }
}

fn required(rule: &GateRule) -> String {
    match (&rule.task, &rule.attested, &rule.approval) {
        (Some(task), ..) if rule.checks.is_empty() => format!("every check of {task}"),
        (Some(task), ..) => {
            let codes: Vec<&str> = rule.checks.iter().map(|c| c.as_str()).collect();
            format!("{task}: {}", codes.join(", "))
        }
        (None, Some(item), _) => format!("attestation {item}"),
        (None, None, Some(role)) => format!("signed approval: {role}"),
        (None, None, None) => "nothing".into(),
    }
}

/// What stands behind a measured rule: counts, never a word of praise.
fn measured(run: &Run, rule: &GateRule, outcome: &Outcome) -> String {
    let Some((_, result)) = rule.task.as_ref().and_then(|task| run.latest(task)) else {
        return outcome.why().unwrap_or("not run").to_owned();
    };
    let mut counts = super::model::Counts::default();
    let asked = |code: &crate::domain::CheckCode| rule.checks.is_empty() || rule.checks.contains(code);
    for check in result.document.checks.iter().filter(|c| asked(&c.code)) {
        counts.add(&check.outcome, check.severity < run.config.plan.fail_at);
    }
    if counts.total() + counts.not_applicable == 0 {
        return outcome.why().unwrap_or("nothing examined").to_owned();
    }
    let mut text = format!("{} of {} passed", counts.passed, format::plural(counts.total(), "check", "checks"));
    for (n, word) in
        [(counts.failed, "failed"), (counts.unknown, "unknown"), (counts.advisories, "advisory"), (counts.not_applicable, "not applicable")]
    {
        if n > 0 {
            text.push_str(&format!(", {n} {word}"));
        }
    }
    // A task that does not count (stale, interrupted) says why beside its counts.
    if let Some(why) = outcome.why()
        && counts.unknown == 0
    {
        text.push_str(&format!("; {why}"));
    }
    text
}

/// Rules that belong to the decision: shown with where they stand, never counted for the verdict.
fn unmeasured(run: &Run, rule: &GateRule) -> (String, Mark, Option<u64>) {
    if let Some(item) = &rule.attested {
        return match (run.attested(item), run.doubted(item)) {
            (Some(a), _) => (format!("by {}, {}", a.by, format::time(&a.ts)), Mark::ATTESTED, Some(a.seq)),
            (None, Some((a, why))) => (format!("by {}: not counted, {why}", a.by), Mark::OPEN, Some(a.seq)),
            (None, None) => ("not attested; counts for the decision".into(), Mark::OPEN, None),
        };
    }
    ("given over this report, so it cannot stand in it; ledger go-no-go shows it".into(), Mark::OPEN, None)
}
