//! One check's answer for a person, and the scripts that show a leak again.

use std::io::Write;

use serde_json::{Value, json};

use super::detail;
use crate::cli::ui::{Tone, Ui, inert};
use crate::cli::{CliError, Exit, MessageFormat};
use crate::domain::{Evidence, SubjectRow};

/// The outcome, why, what was asked of whom, the subjects (bad ones first), and how to mend it.
pub fn show(ui: &Ui, evidence: &Evidence, rows: usize) {
    ui.answer(format!("{}  {}  ({}, severity {})", ui.out(&evidence.outcome.word().to_uppercase(), tone(evidence)), evidence.check, evidence.title, evidence.severity.word()));
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
        if row.ok != Some(true) && !row.detail.is_null() {
            for line in detail::lines(&row.detail) {
                ui.answer(format!("      {line}"));
            }
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

/// The colour of a check's outcome.
pub fn tone(evidence: &Evidence) -> Tone {
    match evidence.outcome.word() {
        "pass" => Tone::Good,
        "fail" => Tone::Bad,
        _ => Tone::Open,
    }
}

/// The recorded scripts of a leak, and nothing else, so that it can be piped into psql.
pub fn reproduce(ui: &Ui, seq: u64, evidence: &Evidence, table: &str) -> Result<Exit, CliError> {
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
