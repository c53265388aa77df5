//! The one judge: what plan, results and waivers come to, at a moment. Pure; every reader of a verdict calls it.
//!
//! 1. The latest attempt of each task decides; one that was cut off decides nothing, which is Unknown. A result counts only if it
//!    is later than the latest attempts of the tasks it depends on and than any rollback; otherwise it is stale, which is Unknown.
//! 2. A failed check all of whose findings are waived (and whose waivers have not expired) no longer fails its task; it makes
//!    the verdict a deviation.
//! 3. A gate is the worst of its measured rules. Any Fail → NO-GO; else any Unknown, Skipped or stale → UNDECIDED; else waivers
//!    → GO WITH DEVIATIONS; else GO.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::plan::{Gate, GateRule, Plan, Task};
use super::{CheckCode, CheckOutcome, Outcome, Severity, TaskId};

/// The answer to "what does the evidence say?".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Go,
    GoWithDeviations,
    NoGo,
    Undecided,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Go => "GO",
            Self::GoWithDeviations => "GO WITH DEVIATIONS",
            Self::NoGo => "NO-GO",
            Self::Undecided => "UNDECIDED",
        })
    }
}

/// One check of one attempt, as the verdict needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    pub code: CheckCode,
    pub title: String,
    pub severity: Severity,
    pub outcome: CheckOutcome,
    /// Subjects examined.
    pub examined: u64,
    /// The bad subjects.
    pub subjects: Vec<String>,
}

/// One finished attempt of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    pub task: TaskId,
    pub attempt: u32,
    /// The entry that carries the result.
    pub seq: u64,
    /// The entry's time, RFC 3339 UTC.
    pub ts: String,
    /// What the attempt recorded for itself.
    pub outcome: Outcome,
    pub checks: Vec<CheckResult>,
    /// Why the step stopped before it had asked everything, if it did.
    #[serde(default)]
    pub stopped: Option<String>,
    pub duration_us: i64,
}

/// A person's acceptance of one finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    pub check: CheckCode,
    pub subject: String,
    /// Last day on which it counts, `YYYY-MM-DD`.
    pub until: String,
    pub by: String,
    pub reason: String,
    /// The entry that carries it.
    pub seq: u64,
}

/// Everything the verdict is made of.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// All finished attempts of the run, in entry order.
    pub results: Vec<TaskResult>,
    /// Attempts that started and never finished: (task, entry).
    pub interrupted: Vec<(TaskId, u64)>,
    /// Entries at which the target was rolled back.
    pub rollbacks: Vec<u64>,
    pub waivers: Vec<Waiver>,
}

/// One task as judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedTask {
    pub task: TaskId,
    pub outcome: Outcome,
    /// The entry of the deciding result, if there is one.
    pub seq: Option<u64>,
    /// The waivers that made the difference, by entry.
    pub waived_by: Vec<u64>,
}

/// One rule of a gate as judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedRule {
    pub rule: GateRule,
    /// `None` for rules that are not measured: they belong to the decision.
    pub outcome: Option<Outcome>,
    pub seq: Option<u64>,
}

/// One gate as judged over its measured rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedGate {
    pub id: String,
    pub name: String,
    pub outcome: Outcome,
    pub rules: Vec<JudgedRule>,
}

/// The verdict and everything that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub verdict: Verdict,
    /// The verdict's reason in one sentence.
    pub reason: String,
    pub tasks: Vec<JudgedTask>,
    pub gates: Vec<JudgedGate>,
    /// Waivers that changed an outcome.
    pub deviations: Vec<Waiver>,
}

/// What a task's checks come to: the one rule that steps, `run` and the verdict share.
///
/// No checks at all is Unknown: nothing was examined. Failed checks below `fail_at` are advisories.
pub fn task_outcome<'a>(checks: impl IntoIterator<Item = (&'a CheckCode, Severity, &'a CheckOutcome)>, fail_at: Severity) -> Outcome {
    let mut examined = 0_usize;
    let mut failed = false;
    let mut unknown: Vec<String> = Vec::new();
    for (code, severity, outcome) in checks {
        match outcome {
            CheckOutcome::Pass => examined += 1,
            CheckOutcome::Fail => {
                examined += 1;
                failed |= severity >= fail_at;
            }
            CheckOutcome::Unknown(why) if severity >= fail_at => unknown.push(format!("{code}: {why}")),
            CheckOutcome::Unknown(_) => {}
            CheckOutcome::NotApplicable(_) => {}
        }
    }
    if failed {
        Outcome::Fail
    } else if let Some(first) = unknown.first() {
        Outcome::Unknown(match unknown.len() {
            1 => first.clone(),
            n => format!("{first} (and {} more)", n - 1),
        })
    } else if examined == 0 {
        Outcome::Unknown("nothing examined".into())
    } else {
        Outcome::Pass
    }
}

/// Judges the plan. `today` (`YYYY-MM-DD`) is the day of the last entry, never the reader's clock.
pub fn verdict(plan: &Plan, facts: &Facts, today: &str) -> Judgement {
    let mut used: BTreeMap<u64, Waiver> = BTreeMap::new();
    let tasks: Vec<JudgedTask> = plan.tasks.iter().map(|task| judge_task(plan, task, facts, today, &mut used)).collect();
    let gates: Vec<JudgedGate> = plan.gates.iter().map(|gate| judge_gate(plan, gate, &tasks, facts, today)).collect();

    let outcomes = || tasks.iter().map(|t| &t.outcome).chain(gates.iter().map(|g| &g.outcome));
    let failed = outcomes().any(|o| *o == Outcome::Fail);
    let open = outcomes().any(|o| matches!(o, Outcome::Unknown(_) | Outcome::Skipped(_)));
    let deviations: Vec<Waiver> = used.into_values().collect();
    let verdict = if failed {
        Verdict::NoGo
    } else if open || tasks.is_empty() {
        Verdict::Undecided
    } else if !deviations.is_empty() {
        Verdict::GoWithDeviations
    } else {
        Verdict::Go
    };
    let reason = reason(verdict, &tasks, &gates, deviations.len());
    Judgement { verdict, reason, tasks, gates, deviations }
}

/// The latest finished attempt of a task.
pub fn latest<'a>(facts: &'a Facts, task: &TaskId) -> Option<&'a TaskResult> {
    facts.results.iter().rev().find(|result| &result.task == task)
}

/// The start of the latest attempt of a task that never finished.
fn cut_off(facts: &Facts, task: &TaskId) -> Option<u64> {
    facts.interrupted.iter().rev().find(|(id, _)| id == task).map(|(_, seq)| *seq)
}

fn judge_task(plan: &Plan, task: &Task, facts: &Facts, today: &str, used: &mut BTreeMap<u64, Waiver>) -> JudgedTask {
    let undecided = |why: String| JudgedTask { task: task.id.clone(), outcome: Outcome::Unknown(why), seq: None, waived_by: Vec::new() };
    let result = match (latest(facts, &task.id), cut_off(facts, &task.id)) {
        (None, None) => return undecided("not run".to_owned()),
        (None, Some(seq)) => return undecided(format!("interrupted (entry {seq}); no result")),
        // It may have changed what the earlier result speaks of, and nobody knows how far it came.
        (Some(result), Some(seq)) if seq > result.seq => {
            return undecided(format!("interrupted (entry {seq}); the earlier result (entry {}) no longer counts", result.seq));
        }
        (Some(result), _) => result,
    };
    if let Some(why) = stale(plan, task, result, facts) {
        return JudgedTask { task: task.id.clone(), outcome: Outcome::Unknown(why), seq: Some(result.seq), waived_by: Vec::new() };
    }
    if let Outcome::Skipped(_) = result.outcome {
        return JudgedTask { task: task.id.clone(), outcome: result.outcome.clone(), seq: Some(result.seq), waived_by: Vec::new() };
    }
    let mut waived_by = Vec::new();
    let effective: Vec<(&CheckCode, Severity, CheckOutcome)> = result
        .checks
        .iter()
        .map(|check| {
            let outcome = after_waivers(check, plan.fail_at, facts, today, |waiver| {
                waived_by.push(waiver.seq);
                used.insert(waiver.seq, waiver.clone());
            });
            (&check.code, check.severity, outcome)
        })
        .collect();
    let judged = task_outcome(effective.iter().map(|(code, severity, outcome)| (*code, *severity, outcome)), plan.fail_at);
    // A result without checks (it was Unknown as a whole) keeps what it recorded; nothing may turn better than recorded but by a waiver.
    let outcome = match (&result.outcome, judged) {
        (recorded, _) if result.checks.is_empty() => recorded.clone(),
        (Outcome::Fail, judged) if waived_by.is_empty() && judged != Outcome::Fail => Outcome::Fail,
        (Outcome::Unknown(why), Outcome::Pass) => Outcome::Unknown(why.clone()),
        (_, judged) => judged,
    };
    // What was never asked cannot be waived: without its failed check, a step that stopped is not established.
    let outcome = match (&result.stopped, outcome) {
        (Some(why), Outcome::Pass) => Outcome::Unknown(format!("stopped: {why}")),
        (_, outcome) => outcome,
    };
    JudgedTask { task: task.id.clone(), outcome, seq: Some(result.seq), waived_by }
}

fn after_waivers(check: &CheckResult, fail_at: Severity, facts: &Facts, today: &str, mut used: impl FnMut(&Waiver)) -> CheckOutcome {
    if check.outcome != CheckOutcome::Fail || check.severity < fail_at || check.subjects.is_empty() {
        return check.outcome.clone();
    }
    let covering: Option<Vec<&Waiver>> = check
        .subjects
        .iter()
        .map(|subject| facts.waivers.iter().rev().find(|w| w.check == check.code && &w.subject == subject && w.until.as_str() >= today))
        .collect();
    match covering {
        Some(waivers) => {
            waivers.into_iter().for_each(&mut used);
            CheckOutcome::Pass
        }
        None => CheckOutcome::Fail,
    }
}

fn stale(plan: &Plan, task: &Task, result: &TaskResult, facts: &Facts) -> Option<String> {
    if let Some(seq) = facts.rollbacks.iter().find(|seq| **seq > result.seq) {
        return Some(format!("stale: the target was rolled back later (entry {seq})"));
    }
    plan.needs_closure(&task.id).iter().find_map(|need| {
        let again = latest(facts, need).map(|needed| needed.seq).filter(|seq| *seq > result.seq);
        let cut_off = cut_off(facts, need).filter(|seq| *seq > result.seq);
        match (again, cut_off) {
            (Some(seq), _) => Some(format!("stale: {need} was run again later (entry {seq})")),
            (None, Some(seq)) => Some(format!("stale: {need} was begun again later and interrupted (entry {seq})")),
            (None, None) => None,
        }
    })
}

fn judge_gate(plan: &Plan, gate: &Gate, tasks: &[JudgedTask], facts: &Facts, today: &str) -> JudgedGate {
    let rules: Vec<JudgedRule> = gate
        .rules
        .iter()
        .map(|rule| {
            let judged = rule.task.as_ref().and_then(|id| tasks.iter().find(|t| &t.task == id));
            match judged {
                None => JudgedRule { rule: rule.clone(), outcome: None, seq: None },
                Some(task) => JudgedRule { rule: rule.clone(), outcome: Some(rule_outcome(plan, rule, task, facts, today)), seq: task.seq },
            }
        })
        .collect();
    let outcome = worst(rules.iter().filter_map(|rule| rule.outcome.as_ref()));
    JudgedGate { id: gate.id.clone(), name: gate.name.clone(), outcome, rules }
}

fn rule_outcome(plan: &Plan, rule: &GateRule, task: &JudgedTask, facts: &Facts, today: &str) -> Outcome {
    // A result that does not count decides nothing, whatever its checks say.
    if rule.checks.is_empty() || task.seq.is_none() || matches!(&task.outcome, Outcome::Skipped(_)) {
        return task.outcome.clone();
    }
    if let Outcome::Unknown(why) = &task.outcome
        && why.starts_with("stale")
    {
        return task.outcome.clone();
    }
    let Some(result) = latest(facts, &task.task) else { return task.outcome.clone() };
    let mut worst_so_far = Outcome::Pass;
    for code in &rule.checks {
        let outcome = match result.checks.iter().find(|check| &check.code == code) {
            None => Outcome::Unknown(format!("{code}: not examined")),
            Some(check) => match after_waivers(check, plan.fail_at, facts, today, |_| {}) {
                CheckOutcome::Pass => Outcome::Pass,
                CheckOutcome::Fail if check.severity < plan.fail_at => Outcome::Pass,
                CheckOutcome::Fail => Outcome::Fail,
                CheckOutcome::Unknown(why) | CheckOutcome::NotApplicable(why) => Outcome::Unknown(format!("{code}: {why}")),
            },
        };
        worst_so_far = worst([&worst_so_far, &outcome]);
    }
    worst_so_far
}

fn worst<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Outcome {
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Fail => 3,
        Outcome::Unknown(_) => 2,
        Outcome::Skipped(_) => 1,
        Outcome::Pass => 0,
    };
    // `max_by_key` keeps the last of equals; the first reason reads better.
    let mut worst: Option<&Outcome> = None;
    for outcome in outcomes {
        if worst.is_none_or(|w| rank(outcome) > rank(w)) {
            worst = Some(outcome);
        }
    }
    worst.cloned().unwrap_or_else(|| Outcome::Unknown("no measured rule".into()))
}

fn reason(verdict: Verdict, tasks: &[JudgedTask], gates: &[JudgedGate], deviations: usize) -> String {
    let name = |wanted: fn(&Outcome) -> bool| -> Vec<String> {
        let named: Vec<String> = gates.iter().filter(|g| wanted(&g.outcome)).map(|g| g.id.replace('-', " ")).collect();
        match named.is_empty() {
            false => named,
            true => tasks.iter().filter(|t| wanted(&t.outcome)).map(|t| t.task.to_string()).collect(),
        }
    };
    match verdict {
        Verdict::Go => format!("all {} tasks and {} gates passed", tasks.len(), gates.len()),
        Verdict::GoWithDeviations => {
            format!("all gates passed with {deviations} accepted finding{}", if deviations == 1 { "" } else { "s" })
        }
        Verdict::NoGo => format!("{} failed", name(|o| *o == Outcome::Fail).join(", ")),
        Verdict::Undecided => format!("{} not established", name(|o| matches!(o, Outcome::Unknown(_) | Outcome::Skipped(_))).join(", ")),
    }
}
