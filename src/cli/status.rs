//! `ledger status`: where the run stands, and the exact next command.

use serde_json::json;

use super::ui::{Tone, inert};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::domain::plan::Plan;
use crate::domain::verdict::{JudgedTask, Judgement, Verdict};
use crate::domain::{Outcome, RunId, TaskId};
use crate::record::{self, Run};

/// Where the run stands, and the exact next command
#[derive(Debug, clap::Args)]
#[command(after_help = "The exit code is the verdict's: 0 GO, 10 NO-GO, 11 UNDECIDED.")]
pub struct Args {
    /// The run to look at [default: the latest]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

/// Reads the run and its verdict from the ledger alone.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let store = globals.open_ledger()?;
    // One run is read, not all: a long-lived ledger holds hundreds.
    let found = match &args.run {
        Some(id) => record::read::run(&store, &RunId::new(id))?,
        None => record::read::latest(&store)?,
    };
    let Some(found) = &found else {
        return match &args.run {
            Some(id) => Err(CliError::setup(format!("the ledger has no run {id}")).hint("ledger log --type run.opened lists them")),
            None => {
                ui.answer("no run yet");
                ui.note("Next: ledger run");
                Ok(Exit::Undecided)
            }
        };
    };
    let judgement = found.judgement();
    let next = next(found, &judgement);
    if ui.format == MessageFormat::Json {
        ui.json(&json!({
            "schema": "ledger.status/1", "run": found.id, "verdict": judgement.verdict, "reason": judgement.reason,
            "tasks": judgement.tasks, "gates": judgement.gates, "entries": store.len()?, "next": next,
        }))?;
        return Ok(judgement.verdict.into());
    }
    ui.answer(format!("Run      {}, opened {} by {}", found.id, found.opened, inert(&found.actor)));
    ui.answer(format!("Ledger   {} entries, head {}", store.len()?, store.head()?.leaf));
    ui.answer("");
    for judged in &judgement.tasks {
        let (word, tone) = word(&judged.outcome);
        let name = found.config.plan.task(&judged.task).map(|task| task.name.as_str()).unwrap_or_default();
        ui.answer(format!("{} {:<6} {:<44} {}", ui.out(&format!("{word:>8}"), tone), judged.task, name, said(found, judged)));
    }
    ui.answer("");
    for gate in &judgement.gates {
        let (word, tone) = word(&gate.outcome);
        let why = gate.outcome.why().map(|why| format!("  {}", inert(why))).unwrap_or_default();
        ui.answer(format!("{} {:<6} {}{why}", ui.out(&format!("{word:>8}"), tone), gate.id, gate.name));
    }
    ui.answer("");
    let tone = match judgement.verdict {
        Verdict::Go | Verdict::GoWithDeviations => Tone::Good,
        Verdict::NoGo => Tone::Bad,
        Verdict::Undecided => Tone::Open,
    };
    ui.answer(format!("Verdict  {}: {}", ui.out(&judgement.verdict.to_string(), tone), inert(&judgement.reason)));
    ui.answer(format!("Next     {next}"));
    Ok(judgement.verdict.into())
}

fn word(outcome: &Outcome) -> (&'static str, Tone) {
    match outcome {
        Outcome::Pass => ("PASS", Tone::Good),
        Outcome::Fail => ("FAIL", Tone::Bad),
        Outcome::Unknown(_) => ("UNKNOWN", Tone::Open),
        Outcome::Skipped(_) => ("SKIPPED", Tone::Open),
    }
}

/// What there is to say about a task in one line: its reason, else its headline and attempt.
fn said(run: &Run, judged: &JudgedTask) -> String {
    let attempts = run.attempts.iter().filter(|attempt| attempt.task == judged.task).count();
    let again = if attempts > 1 { format!(" (attempt {attempts})") } else { String::new() };
    let entry = judged.seq.map(|seq| format!(" [{seq}]")).unwrap_or_default();
    let text = match judged.outcome.why() {
        Some(why) => inert(why),
        None => run.latest(&judged.task).map(|(_, result)| inert(&result.document.headline)).unwrap_or_default(),
    };
    format!("{text}{again}{entry}")
}

/// The one command that carries the run on.
fn next(run: &Run, judgement: &Judgement) -> String {
    if let Some(seq) = cut_off(run, judgement).filter(|_| run.closed.is_none()) {
        return format!("ledger show {seq} · ledger run --resume");
    }
    let first = |wanted: fn(&Outcome) -> bool| judgement.tasks.iter().find(|judged| wanted(&judged.outcome));
    if let Some(failed) = first(|outcome| *outcome == Outcome::Fail) {
        return match failed.seq {
            Some(seq) => format!("ledger show {seq}"),
            None => "ledger run".into(),
        };
    }
    if let Some(open) = first(|outcome| matches!(outcome, Outcome::Unknown(_) | Outcome::Skipped(_))) {
        return match (run.closed, after_all(&run.config.plan, &open.task)) {
            (Some(_), _) => "ledger run".into(),
            (None, true) => "ledger run".into(),
            (None, false) => "ledger run --resume".into(),
        };
    }
    if run.decisions.is_empty() {
        return "ledger go-no-go".into();
    }
    format!("ledger package --key FILE · ledger verify evidence/{}.zip", run.id)
}

/// The result of an execution that began and whose end is not established, such as by a lost connection: it is taken up where it stopped.
pub fn cut_off(run: &Run, judgement: &Judgement) -> Option<u64> {
    let writes = |id: &TaskId| run.config.plan.tasks.iter().any(|task| task.id == *id && task.uses.writes_to_target());
    let cut = judgement.tasks.iter().find(|judged| writes(&judged.task) && matches!(judged.outcome, Outcome::Unknown(_)))?;
    run.latest(&cut.task).filter(|(_, result)| !result.document.checks.is_empty())?;
    cut.seq
}

/// Whether the task is the plan's first, so that going on means starting over.
fn after_all(plan: &Plan, task: &TaskId) -> bool {
    plan.tasks.first().is_some_and(|first| &first.id == task)
}
