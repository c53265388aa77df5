//! `ledger show`: one entry, task, check, part or run, as recorded.

mod check;
mod detail;
mod entry;

use std::io::Write;

use serde_json::json;

use super::ui::{Ui, inert};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::chain::{Entry, Store};
use crate::domain::{Evidence, Outcome, RunId};
use crate::record::{self, Attempt, Run};

/// One entry, task, check or run, as recorded
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ledger show 27                       the entry, its findings and its parts\n  \
                        ledger show 27 --part check-rls-isolation.json\n  ledger show rls-isolation            the latest answer to this check\n  \
                        ledger show rls-isolation --reproduce public.alerts | psql \"$DATABASE_URL\"\n  \
                        ledger show CE-23                    the latest result of this task\n  \
                        ledger show staging_migration_20260108")]
pub struct Args {
    /// An entry's number, a task, a check's code or a run's name
    id: String,
    /// Write this part of the entry to stdout, exactly as recorded
    #[arg(long, value_name = "NAME")]
    part: Option<String>,
    /// Of a check's leak on this table: only the psql script that shows it again, in a transaction that is rolled back
    #[arg(long, value_name = "TABLE", conflicts_with = "part")]
    reproduce: Option<String>,
    /// At most this many subjects of a check
    #[arg(long, value_name = "N", default_value_t = 50)]
    rows: usize,
}

/// Finds out what the id means and shows it.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let store = globals.open_ledger()?;
    let show = |entry: &Entry| match &args.part {
        Some(name) => part(&store, entry, name),
        None => entry::show(&ui, &store, entry, args.rows),
    };
    if args.reproduce.is_some() && !args.id.starts_with("rls-") {
        return Err(CliError::new(Exit::Usage, format!("`{}` is no check: a leak is a finding of a check", args.id))
            .hint("ledger show rls-isolation --reproduce public.alerts"));
    }
    if let Ok(seq) = args.id.parse::<u64>() {
        let size = store.len()?;
        let entry = (seq < size).then(|| store.entry(seq)).transpose()?.ok_or_else(|| {
            CliError::new(Exit::Usage, format!("the ledger has no entry {seq}")).hint(format!("it has entries 0 to {}", size.saturating_sub(1)))
        })?;
        return show(&entry);
    }
    if let Some(found) = record::read::run(&store, &RunId::new(args.id.as_str()))? {
        return show_run(&ui, &found);
    }
    let of_task = |run: &Run| run.attempts.iter().rev().find(|attempt| attempt.task.as_str() == args.id).map(|attempt| match &attempt.result {
        Some(result) => result.seq,
        None => attempt.started_seq,
    });
    let newest_of_task = |runs: &[Run]| runs.iter().rev().find_map(of_task);
    // Most often the newest run has the task or the check, and then no other need be read.
    let mut runs: Vec<Run> = record::read::latest(&store)?.into_iter().collect();
    if newest_of_task(&runs).is_none() && newest_of_check(&runs, &args.id).is_none() {
        runs = record::read::load(&store)?.runs;
    }
    if let Some(seq) = newest_of_task(&runs) {
        return show(&store.entry(seq)?);
    }
    match newest_of_check(&runs, &args.id) {
        Some((_, seq, evidence)) if args.reproduce.is_some() => check::reproduce(&ui, seq, evidence, args.reproduce.as_deref().unwrap_or_default()),
        Some((attempt, seq, evidence)) => {
            if ui.format == MessageFormat::Json {
                ui.json(&json!({"schema": "ledger.check/1", "seq": seq, "task": attempt.task, "attempt": attempt.attempt, "evidence": evidence}))?;
            } else {
                ui.answer(format!("{} of {} attempt {}, entry {seq}", args.id, attempt.task, attempt.attempt));
                check::show(&ui, evidence, args.rows);
            }
            Ok(Exit::Good)
        }
        None => Err(CliError::new(Exit::Usage, format!("`{}` is no entry, no recorded task or check and no run of this ledger", args.id))
            .hint("ledger log lists entries; ledger checks list lists checks")),
    }
}

/// The newest evidence of a check, with its attempt and its entry.
fn newest_of_check<'a>(runs: &'a [Run], check: &str) -> Option<(&'a Attempt, u64, &'a Evidence)> {
    let attempts = runs.iter().rev().flat_map(|run| run.attempts.iter().rev());
    attempts.filter_map(|attempt| attempt.result.as_ref().map(|result| (attempt, result))).find_map(|(attempt, result)| {
        let evidence = result.evidence.iter().find(|evidence| evidence.check.as_str() == check)?;
        Some((attempt, result.seq, evidence))
    })
}

fn part(store: &Store, entry: &Entry, name: &str) -> Result<Exit, CliError> {
    if !entry.header.parts.iter().any(|part| part.name == name) {
        let names: Vec<&str> = entry.header.parts.iter().map(|part| part.name.as_str()).collect();
        return Err(CliError::new(Exit::Usage, format!("entry {} has no part {name}", entry.seq)).hint(format!("it has: {}", names.join(", "))));
    }
    match store.part(entry.seq, name)? {
        Some(bytes) => {
            let _ = std::io::stdout().lock().write_all(&bytes);
            Ok(Exit::Good)
        }
        None => Err(CliError::new(Exit::Undecided, format!("part {name} of entry {} was redacted", entry.seq))),
    }
}

fn show_run(ui: &Ui, run: &Run) -> Result<Exit, CliError> {
    let judgement = run.judgement();
    if ui.format == MessageFormat::Json {
        ui.json(&json!({"schema": "ledger.run/1", "run": run.id, "opened": run.opened, "target": run.target, "judgement": judgement}))?;
        return Ok(Exit::Good);
    }
    ui.answer(format!("Run      {}, entry {}, opened {} by {}", run.id, run.opened_seq, run.opened, inert(&run.actor)));
    ui.answer(format!("Target   {}", inert(&run.target.to_string())));
    ui.answer(format!("Verdict  {}: {}", judgement.verdict, inert(&judgement.reason)));
    for attempt in &run.attempts {
        let (outcome, seq) = match &attempt.result {
            Some(result) => (result.document.outcome.clone(), result.seq),
            None => (Outcome::Unknown("interrupted".into()), attempt.started_seq),
        };
        ui.answer(format!("  [{seq}] {} attempt {}: {}", attempt.task, attempt.attempt, inert(&outcome.to_string())));
    }
    Ok(Exit::Good)
}
