//! `ledger show`: one entry, task, check, part or run, as recorded.

use std::io::Write;

use serde_json::{Value, json};

use super::ui::{Tone, Ui, inert};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::chain::{Entry, Store};
use crate::domain::{Evidence, Outcome, RunId, SubjectRow};
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
        None => show_entry(&ui, &store, entry, args.rows),
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
        Some((_, seq, evidence)) if args.reproduce.is_some() => reproduce(&ui, seq, evidence, args.reproduce.as_deref().unwrap_or_default()),
        Some((attempt, seq, evidence)) => {
            if ui.format == MessageFormat::Json {
                ui.json(&json!({"schema": "ledger.check/1", "seq": seq, "task": attempt.task, "attempt": attempt.attempt, "evidence": evidence}))?;
            } else {
                ui.answer(format!("{} of {} attempt {}, entry {seq}", args.id, attempt.task, attempt.attempt));
                show_evidence(&ui, evidence, args.rows);
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

/// The recorded scripts of a leak, and nothing else, so that it can be piped into psql.
fn reproduce(ui: &Ui, seq: u64, evidence: &Evidence, table: &str) -> Result<Exit, CliError> {
    let scripts = |row: &SubjectRow| -> Vec<String> { cells(row).filter_map(|cell| cell["psql"].as_str().map(str::to_owned)).collect() };
    let of: Vec<(&str, Vec<String>)> = evidence.rows.iter().map(|row| (row.subject.as_str(), scripts(row))).collect();
    let Some((_, found)) = of.iter().find(|(subject, scripts)| *subject == table && !scripts.is_empty()) else {
        let having: Vec<&str> = of.iter().filter(|(_, scripts)| !scripts.is_empty()).map(|(subject, _)| *subject).collect();
        let hint = match having.is_empty() {
            true => "no leak of this check has a script: ledger show rls-isolation prints the statements".to_owned(),
            false => format!("it has scripts for: {}", having.join(", ")),
        };
        return Err(CliError::new(Exit::Usage, format!("{} of entry {seq} has no script for `{table}`", evidence.check)).hint(hint));
    };
    if ui.format == MessageFormat::Json {
        ui.json(&json!({"schema": "ledger.reproduction/1", "seq": seq, "check": evidence.check, "subject": table, "psql": found}))?;
    } else {
        let _ = std::io::stdout().lock().write_all(found.join("\n").as_bytes());
    }
    Ok(Exit::Good)
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The cells that a row of an isolation check names.
fn cells(row: &SubjectRow) -> impl Iterator<Item = &Value> {
    row.detail["cells"].as_array().into_iter().flatten()
}

/// A row's detail for a person: the scripts are asked for by themselves.
fn brief(row: &SubjectRow) -> Value {
    let mut detail = row.detail.clone();
    for cell in detail.get_mut("cells").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(cell) = cell.as_object_mut() {
            cell.remove("psql");
        }
    }
    detail
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

fn show_entry(ui: &Ui, store: &Store, entry: &Entry, rows: usize) -> Result<Exit, CliError> {
    let header = &entry.header;
    if ui.format == MessageFormat::Json {
        let value: serde_json::Value = serde_json::from_slice(&entry.header_bytes).unwrap_or_default();
        ui.json(&json!({"schema": "ledger.entry/1", "seq": entry.seq, "prev": entry.prev.to_string(), "leaf": entry.leaf.to_string(), "header": value}))?;
        return Ok(Exit::Good);
    }
    ui.answer(format!("Entry    {}  {}", entry.seq, header.kind.as_str()));
    ui.answer(format!("Leaf     {}", entry.leaf));
    ui.answer(format!("Prev     {}", entry.prev));
    ui.answer(format!("When     {} by {} on {}", header.ts, inert(&header.actor), inert(&header.host)));
    if let Some(run) = &header.run {
        let task = header.task.as_deref().map(|task| format!(", {task} attempt {}", header.attempt.unwrap_or(1))).unwrap_or_default();
        ui.answer(format!("Run      {}{}", inert(run), inert(&task)));
    }
    for (key, value) in &header.body {
        ui.answer(format!("{key:<8} {}", inert(&value.to_string())));
    }
    if !header.parts.is_empty() {
        ui.answer("Parts");
        for part in &header.parts {
            ui.answer(format!("  {:<44} {:>10} bytes  {}", part.name, part.size, part.media));
        }
    }
    for part in header.parts.iter().filter(|part| part.name.starts_with("check-")) {
        let Some(bytes) = store.part(entry.seq, &part.name)? else {
            ui.answer(format!("\n{} was redacted", part.name));
            continue;
        };
        let Ok(evidence) = serde_json::from_slice::<Evidence>(&bytes) else { continue };
        if evidence.outcome.word() != "pass" {
            ui.answer("");
            show_evidence(ui, &evidence, rows);
        }
    }
    Ok(Exit::Good)
}

fn show_evidence(ui: &Ui, evidence: &Evidence, rows: usize) {
    let tone = match evidence.outcome.word() {
        "pass" => Tone::Good,
        "fail" => Tone::Bad,
        _ => Tone::Open,
    };
    ui.answer(format!("{}  {}  ({}, severity {})", ui.out(&evidence.outcome.word().to_uppercase(), tone), evidence.check, evidence.title, evidence.severity.word()));
    if let Some(why) = evidence.outcome.why() {
        let what = if evidence.outcome.word() == "not-applicable" { "not applicable" } else { "not established" };
        ui.answer(format!("  {what}: {}", inert(why)));
    }
    ui.answer(format!("  asked of {} at {}, {} subjects", evidence.asked_of, evidence.started, evidence.rows.len()));
    // Bad subjects first: they are why somebody looks.
    let ordered = evidence.rows.iter().filter(|row| row.ok != Some(true)).chain(evidence.rows.iter().filter(|row| row.ok == Some(true)));
    for row in ordered.take(rows) {
        let (mark, tone) = match row.ok {
            Some(true) => ("ok", Tone::Good),
            Some(false) => ("BAD", Tone::Bad),
            None => ("?", Tone::Open),
        };
        ui.answer(format!(
            "  {} {}: {} (expected {})",
            ui.out(&format!("{mark:>3}"), tone),
            inert(&row.subject),
            inert(&row.observed),
            inert(&row.expected)
        ));
        if row.ok == Some(false) && !row.detail.is_null() {
            ui.answer(format!("      {}", inert(&brief(row).to_string())));
            if cells(row).any(|cell| cell["psql"].is_string()) {
                ui.answer(format!("      show it again: ledger show {} --reproduce {} | psql", evidence.check, quoted(&inert(&row.subject))));
            }
        }
    }
    if evidence.rows.len() > rows {
        ui.answer(format!("  … {} more: --rows {}", evidence.rows.len() - rows, evidence.rows.len()));
    }
    if !evidence.fix.is_empty() && evidence.outcome.word() == "fail" {
        ui.answer(format!("  fix: {}", inert(&evidence.fix)));
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
