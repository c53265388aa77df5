//! The only door into a report: everything a template shows, built from a run as its entries tell it and from nothing else.
//!
//! No template computes an outcome and no renderer judges: the verdict comes from [`Run::judgement`], every number carries the
//! entry it stands in, and text that came from a database or a person is made visible (control characters, overrides) here, once.

use serde::Serialize;

use super::chart::Charts;
use super::checklist::{self, Checklist};
use super::format::{self, Mark};
use super::rollback::{self, RollbackView};
use super::{gates, locks, risks, summary, tasks};
use crate::domain::plan::StepKind;
use crate::domain::product::Product;
use crate::domain::verdict::{Judgement, Verdict, Waiver};
use crate::domain::{CheckOutcome, Outcome};
use crate::record::Run;

/// What a report is made from: one run, as of one size of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Hex.
    pub ledger_id: &'a str,
    /// N(run): the report covers entries 0…N−1.
    pub size: u64,
    /// Root of the tree over those entries, hex.
    pub root: &'a str,
    /// Leaf of entry N−1, hex.
    pub head: &'a str,
    pub run: &'a Run,
    /// Runs of the same ledger opened before this one, oldest first.
    pub earlier: &'a [Run],
}

/// A labelled value with the entry that carries it.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    pub label: String,
    pub value: String,
    pub seq: Option<u64>,
}

impl Fact {
    pub fn new(label: &str, value: impl Into<String>, seq: Option<u64>) -> Self {
        Self { label: label.to_owned(), value: value.into(), seq }
    }
}

/// How many checks of the deciding attempts came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
    pub advisories: u64,
    pub unknown: u64,
    pub not_applicable: u64,
}

impl Counts {
    /// Adds a check.
    pub fn add(&mut self, outcome: &CheckOutcome, advisory: bool) {
        match outcome {
            CheckOutcome::Pass => self.passed += 1,
            CheckOutcome::Fail if advisory => self.advisories += 1,
            CheckOutcome::Fail => self.failed += 1,
            CheckOutcome::Unknown(_) => self.unknown += 1,
            CheckOutcome::NotApplicable(_) => self.not_applicable += 1,
        }
    }

    /// Checks with an answer.
    pub fn decided(&self) -> u64 {
        self.passed + self.failed + self.advisories
    }

    /// Checks that apply: decided and unknown.
    pub fn total(&self) -> u64 {
        self.decided() + self.unknown
    }

    /// `12 of 14 checks decided: 11 passed, 1 failed; 2 unknown; 1 not applicable`.
    pub fn sentence(&self) -> String {
        let mut text = format!("{} of {} decided: {} passed", self.decided(), format::plural(self.total(), "check", "checks"), self.passed);
        for (n, word) in [(self.failed, "failed"), (self.advisories, "below the failing severity")] {
            if n > 0 {
                text.push_str(&format!(", {n} {word}"));
            }
        }
        if self.unknown > 0 {
            text.push_str(&format!("; {} unknown", self.unknown));
        }
        if self.not_applicable > 0 {
            text.push_str(&format!("; {} not applicable, counted apart", self.not_applicable));
        }
        text
    }
}

/// The verdict and its reason.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictView {
    pub mark: Mark,
    /// One sentence.
    pub reason: String,
    /// One sentence: how much was not established.
    pub not_established: String,
    pub not_established_count: u64,
    pub counts: Counts,
    pub counts_sentence: String,
}

/// Something that keeps the verdict from GO: a finding, a check without an answer, a task without a result.
#[derive(Clone, Debug, Serialize)]
pub struct WhyNot {
    pub mark: Mark,
    pub task: String,
    /// The check, or empty for a task as a whole.
    pub check: String,
    pub subject: String,
    pub observed: String,
    pub expected: String,
    pub fix: String,
    pub seq: Option<u64>,
}

/// A finding that a person accepted.
#[derive(Clone, Debug, Serialize)]
pub struct Deviation {
    pub check: String,
    pub subject: String,
    pub by: String,
    pub until: String,
    pub reason: String,
    pub seq: u64,
    /// `yes`, or `no: …`: expired, no such finding of the deciding attempt, or not signed by one who may.
    pub used: String,
}

/// An entry in the index, with the files of the package it carries.
#[derive(Clone, Debug, Serialize)]
pub struct EntryView {
    pub seq: u64,
    pub kind: String,
    pub what: String,
    pub time: String,
    pub actor: String,
    pub leaf: String,
    pub parts: Vec<PartView>,
}

/// A file of the package.
#[derive(Clone, Debug, Serialize)]
pub struct PartView {
    pub name: String,
    /// Relative to the report's folder in the unpacked package; empty when the payload was erased.
    pub href: String,
    pub size: String,
}

/// How a reader checks the report without trusting it.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    pub ledger_id: String,
    pub run: String,
    pub size: u64,
    pub root: String,
    pub head: String,
    /// `principal (namespaces) SHA256:…`
    pub keys: Vec<String>,
    pub commands: Vec<String>,
    pub by_hand: Vec<String>,
}

/// Everything a report shows.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub schema: &'static str,
    pub plan_id: String,
    pub plan_title: String,
    pub run: String,
    pub verdict: VerdictView,
    pub facts: Vec<Fact>,
    pub summary: Vec<Fact>,
    pub metrics: Vec<Fact>,
    pub gates: Vec<gates::GateView>,
    pub why_not: Vec<WhyNot>,
    /// How many more stand in the tasks' own sections.
    pub why_not_more: u64,
    pub advisories: u64,
    pub deviations: Vec<Deviation>,
    pub risks: Vec<risks::RiskView>,
    pub timeline: risks::Timeline,
    pub locks: locks::LocksView,
    pub limits: Vec<String>,
    pub proof: Proof,
    pub tasks: Vec<tasks::TaskView>,
    pub notes: Vec<Fact>,
    pub checklist: Checklist,
    pub rollback: RollbackView,
    pub entries: Vec<EntryView>,
    #[serde(skip)]
    pub charts: Charts,
    pub judgement: Judgement,
}

/// More findings than this stay in their task's section, so that the first part fits two pages.
const WHY_NOT_SHOWN: usize = 10;

/// Builds the report.
pub fn build(source: &Source<'_>) -> Report {
    let run = source.run;
    let judgement = run.judgement();
    let mut why_not = why_not(run, &judgement);
    let why_not_more = why_not.len().saturating_sub(WHY_NOT_SHOWN) as u64;
    why_not.truncate(WHY_NOT_SHOWN);
    let verdict = verdict_view(run, &judgement);
    Report {
        schema: "ledger/report/v1",
        plan_id: run.config.plan.id.clone(),
        plan_title: run.config.plan.title.clone(),
        run: run.id.to_string(),
        facts: facts(source),
        summary: summary::summary(run),
        metrics: summary::metrics(run),
        gates: gates::gates(run, &judgement),
        why_not,
        why_not_more,
        advisories: verdict.counts.advisories,
        deviations: deviations(run, &judgement),
        risks: risks::risks(run, &judgement),
        timeline: risks::timeline(run),
        locks: locks::locks(run),
        limits: summary::limits(run, &judgement),
        proof: proof(source),
        tasks: tasks::tasks(run, &judgement),
        notes: notes(run),
        checklist: checklist::checklist(run, &judgement, None),
        rollback: rollback::rollback(run),
        entries: entries(run),
        charts: Charts::build(run, source.earlier),
        verdict,
        judgement,
    }
}

fn verdict_view(run: &Run, judgement: &Judgement) -> VerdictView {
    let mut counts = Counts::default();
    for task in &run.config.plan.tasks {
        if let Some((_, result)) = run.latest(&task.id) {
            result.document.checks.iter().for_each(|c| counts.add(&c.outcome, c.severity < run.config.plan.fail_at));
        }
    }
    let open: Vec<&str> = judgement
        .tasks
        .iter()
        .filter(|t| matches!(t.outcome, Outcome::Unknown(_) | Outcome::Skipped(_)))
        .map(|t| t.task.as_str())
        .collect();
    let not_established = match (open.len(), counts.unknown) {
        (0, 0) => "Nothing that the plan asks for was left unestablished.".to_owned(),
        (0, checks) => format!("Not established: {}.", format::plural(checks, "check", "checks")),
        (tasks, checks) => format!(
            "Not established: {} ({}) and {}.",
            format::plural(tasks as u64, "task", "tasks"),
            open.join(", "),
            format::plural(checks, "check", "checks")
        ),
    };
    VerdictView {
        mark: Mark::verdict(judgement.verdict),
        reason: sentence(&judgement.reason),
        not_established,
        not_established_count: open.len() as u64 + counts.unknown,
        counts,
        counts_sentence: counts.sentence(),
    }
}

/// The reason as a sentence: a capital first, a full stop last.
fn sentence(text: &str) -> String {
    format!("{}.", capital(text).trim_end_matches('.'))
}

/// The text with a capital first.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    first + chars.as_str()
}

fn facts(source: &Source<'_>) -> Vec<Fact> {
    let run = source.run;
    let opened = Some(run.opened_seq);
    let text = |value: &serde_json::Value, key: &str| value.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let mut target = text(&run.target, "database").unwrap_or_else(|| "not recorded".into());
    let mut target_seq = opened;
    let mut server = text(&run.target, "server_version").unwrap_or_else(|| "not recorded".into());
    if let Some((seq, Product::Environment(environment))) = product(run, StepKind::Environment) {
        target = format!("{} as {}, TLS: {}", environment.database, environment.role, environment.tls);
        server = environment.server_version.clone();
        target_seq = Some(seq);
    }
    let mut facts = vec![Fact::new("Target", format!("{target}; PostgreSQL {server}"), target_seq)];
    if let Some(system) = text(&run.target, "system_identifier") {
        facts.push(Fact::new("System identifier", system, opened));
    }
    facts.push(summary::change(run));
    facts.push(Fact::new(
        "Migrations",
        format!("digest {}; source commit {}", run.migrations_digest, or(&run.source_commit, "not recorded")),
        opened,
    ));
    facts.push(Fact::new(
        "Tool",
        format!(
            "{} {} on {}, run opened by {}",
            text(&run.tool, "name").unwrap_or_else(|| "ledger".into()),
            text(&run.tool, "version").unwrap_or_else(|| "of unknown version".into()),
            or(&run.host, "an unnamed host"),
            or(&run.actor, "nobody named")
        ),
        opened,
    ));
    let last = run.entries.iter().rfind(|e| e.seq < source.size);
    let when = match last {
        Some(last) => format!("{} to {}", format::time(&run.opened), format::time(&last.ts)),
        None => format::time(&run.opened),
    };
    facts.push(Fact::new("When", when, last.map(|e| e.seq)));
    facts
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// The product of the first task that uses the step, with the entry it stands in.
pub fn product(run: &Run, step: StepKind) -> Option<(u64, &Product)> {
    let task = run.config.plan.task_using(step)?;
    let (_, result) = run.latest(&task.id)?;
    result.document.product.as_ref().map(|p| (result.seq, p))
}

fn why_not(run: &Run, judgement: &Judgement) -> Vec<WhyNot> {
    let fail_at = run.config.plan.fail_at;
    let waived = |check: &str, subject: &str| judgement.deviations.iter().any(|w| w.check.as_str() == check && w.subject == subject);
    let (mut failed, mut open) = (Vec::new(), Vec::new());
    for judged in &judgement.tasks {
        let task = judged.task.to_string();
        let before = (failed.len(), open.len());
        if let Some((_, result)) = run.latest(&judged.task) {
            for evidence in result.evidence.iter().filter(|e| e.severity >= fail_at) {
                for finding in evidence.findings().filter(|f| !waived(f.check.as_str(), &f.subject)) {
                    failed.push(WhyNot {
                        mark: Mark::FAIL,
                        task: task.clone(),
                        check: finding.check.to_string(),
                        subject: finding.subject,
                        observed: finding.observed,
                        expected: finding.expected,
                        fix: evidence.fix.clone(),
                        seq: Some(result.seq),
                    });
                }
            }
            for check in result.document.checks.iter() {
                if let CheckOutcome::Unknown(why) = &check.outcome {
                    open.push(WhyNot {
                        mark: Mark::UNKNOWN,
                        task: task.clone(),
                        check: check.code.to_string(),
                        subject: check.title.clone(),
                        observed: why.clone(),
                        expected: "an answer".into(),
                        fix: String::new(),
                        seq: Some(result.seq),
                    });
                }
            }
        }
        // A task that is not well for a reason no check tells: stale, skipped, not run, interrupted.
        let told = match &judged.outcome {
            Outcome::Pass => true,
            Outcome::Fail => failed.len() > before.0,
            Outcome::Skipped(_) => false,
            Outcome::Unknown(why) => open.len() > before.1 && !why.starts_with("stale"),
        };
        if !told {
            let row = WhyNot {
                mark: Mark::outcome(&judged.outcome),
                task: task.clone(),
                check: String::new(),
                subject: run.config.plan.task(&judged.task).map(|t| t.name.clone()).unwrap_or_default(),
                observed: judged.outcome.why().unwrap_or("failed; its evidence names no finding").to_owned(),
                expected: "a result that counts".into(),
                fix: String::new(),
                seq: judged.seq,
            };
            if judged.outcome == Outcome::Fail { failed.push(row) } else { open.push(row) }
        }
    }
    if judgement.verdict == Verdict::Go && failed.is_empty() {
        // Unknown checks below `fail-at` are shown with their task; they do not explain a GO.
        open.retain(|row| row.check.is_empty());
    }
    failed.append(&mut open);
    failed
}

fn deviations(run: &Run, judgement: &Judgement) -> Vec<Deviation> {
    let view = |waiver: &Waiver, used: String| Deviation {
        check: waiver.check.to_string(),
        subject: waiver.subject.clone(),
        by: waiver.by.clone(),
        until: waiver.until.clone(),
        reason: waiver.reason.clone(),
        seq: waiver.seq,
        used,
    };
    let counted = run.waivers.iter().map(|waiver| {
        let used = judgement.deviations.iter().any(|w| w.seq == waiver.seq);
        view(waiver, if used { "yes" } else { "no: expired, or no such finding now" }.into())
    });
    let refused = run.refused.iter().map(|refused| view(&refused.waiver, format!("no: {}", refused.why)));
    let mut all: Vec<Deviation> = counted.chain(refused).collect();
    all.sort_by_key(|deviation| deviation.seq);
    all
}

fn notes(run: &Run) -> Vec<Fact> {
    run.notes
        .iter()
        .map(|note| {
            let files: Vec<&str> = note.parts.iter().map(|p| p.name.as_str()).collect();
            let counted = match note.suite.as_ref().map(|s| (&s.row.subject, &s.result)) {
                None => String::new(),
                Some((name, Some(r))) => format!("; suite {name}: {} of {} passed", r.passed, r.total),
                Some((name, None)) => format!("; suite {name}: nothing counted"),
            };
            let task = note.task.as_ref().map_or_else(|| "the run".to_owned(), ToString::to_string);
            Fact::new(&task, format!("{} by {}, {}{counted}", files.join(", "), note.by, format::time(&note.ts)), Some(note.seq))
        })
        .collect()
}

fn entries(run: &Run) -> Vec<EntryView> {
    run.entries
        .iter()
        .map(|entry| EntryView {
            seq: entry.seq,
            kind: entry.kind.clone(),
            what: match (&entry.task, entry.attempt) {
                (Some(task), Some(attempt)) if attempt > 1 => format!("{task}, attempt {attempt}"),
                (Some(task), _) => task.to_string(),
                _ => String::new(),
            },
            time: format::time(&entry.ts),
            actor: entry.actor.clone(),
            leaf: entry.leaf.clone(),
            parts: run
                .parts
                .iter()
                .filter(|p| p.seq == entry.seq)
                .map(|part| PartView {
                    name: part.name.clone(),
                    href: if part.redacted { String::new() } else { format!("../{}", part.path) },
                    size: if part.redacted { "redacted".into() } else { format::bytes(part.size) },
                })
                .collect(),
        })
        .collect()
}

fn proof(source: &Source<'_>) -> Proof {
    let run = source.run;
    let keys = run.signers.iter().map(|s| format!("{} ({}) {}", s.principal, s.namespaces.join(", "), s.fingerprint)).collect();
    let zip = format!("{}.zip", run.id);
    Proof {
        ledger_id: source.ledger_id.to_owned(),
        run: run.id.to_string(),
        size: source.size,
        root: source.root.to_owned(),
        head: source.head.to_owned(),
        keys,
        commands: vec![
            format!("ledger verify {zip} --allowed-signers YOUR_ALLOWED_SIGNERS --expect {}/{}", source.ledger_id, run.id),
            "ledger go-no-go".into(),
            "ledger report --format md".into(),
        ],
        by_hand: vec![
            format!("sha256sum --strict -c {zip}.sha256"),
            format!("ssh-keygen -Y verify -f allowed_signers -I PRINCIPAL -n package@ledger -s {zip}.sig < {zip}.sha256"),
        ],
    }
}
