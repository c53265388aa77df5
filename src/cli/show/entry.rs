//! One entry for a person: what it says, then what was found wrong or left open, then what passed, then what it holds.

use serde_json::{Value, json};

use super::check;
use crate::chain::{Entry, Store};
use crate::cli::ui::{Ui, inert};
use crate::cli::{CliError, Exit, MessageFormat};
use crate::domain::Evidence;
use crate::record::ResultDocument;
use crate::report::format;

/// The entry, the answers it carries with at most `rows` subjects each, and its parts.
pub fn show(ui: &Ui, store: &Store, entry: &Entry, rows: usize) -> Result<Exit, CliError> {
    let header = &entry.header;
    if ui.format == MessageFormat::Json {
        let value: Value = serde_json::from_slice(&entry.header_bytes).unwrap_or_default();
        ui.json(&json!({"schema": "ledger.entry/1", "seq": entry.seq, "prev": entry.prev.to_string(), "leaf": entry.leaf.to_string(), "header": value}))?;
        return Ok(Exit::Good);
    }
    ui.answer(format!("Entry    {}  {}", entry.seq, header.kind.as_str()));
    ui.answer(format!("When     {} by {} on {}", header.ts, inert(&header.actor), inert(&header.host)));
    if let Some(run) = &header.run {
        let task = header.task.as_deref().map(|task| format!(", {task} attempt {}", header.attempt.unwrap_or(1))).unwrap_or_default();
        ui.answer(format!("Run      {}{}", inert(run), inert(&task)));
    }
    ui.answer(format!("Leaf     {}", entry.leaf));
    ui.answer(format!("Prev     {}", entry.prev));
    match document(store, entry)? {
        Some(document) => result(ui, &document, header.body.get("duration_us").and_then(Value::as_i64)),
        None => header.body.iter().for_each(|(key, value)| ui.answer(format!("{key:<8} {}", inert(&value.to_string())))),
    }
    checks(ui, store, entry, rows)?;
    if !header.parts.is_empty() {
        ui.answer(format!("\nParts (ledger show {} --part NAME)", entry.seq));
        for part in &header.parts {
            ui.answer(format!("  {:<44} {:>10} bytes  {}", part.name, part.size, part.media));
        }
    }
    Ok(Exit::Good)
}

/// The document of a task's result, where it is one and still there.
fn document(store: &Store, entry: &Entry) -> Result<Option<ResultDocument>, CliError> {
    if !entry.header.parts.iter().any(|part| part.name == "result.json") {
        return Ok(None);
    }
    Ok(store.part(entry.seq, "result.json")?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn result(ui: &Ui, document: &ResultDocument, us: Option<i64>) {
    let took = us.map(|us| format!(", took {}", format::duration(us))).unwrap_or_default();
    ui.answer(format!("Result   {}{took}", inert(&document.outcome.to_string())));
    if !document.headline.is_empty() {
        ui.answer(format!("         {}", inert(&document.headline)));
    }
    if let Some(why) = &document.stopped {
        ui.answer(format!("         stopped before everything was asked: {}", inert(why)));
    }
}

/// Failures whole, the gravest first, then what is open, then what passed in a line each, then what there was nothing of.
fn checks(ui: &Ui, store: &Store, entry: &Entry, rows: usize) -> Result<(), CliError> {
    let mut all = Vec::new();
    for part in entry.header.parts.iter().filter(|part| part.name.starts_with("check-")) {
        match store.part(entry.seq, &part.name)? {
            None => ui.answer(format!("\n{} was redacted", part.name)),
            Some(bytes) => match serde_json::from_slice::<Evidence>(&bytes) {
                Ok(evidence) => all.push(evidence),
                Err(_) => ui.answer(format!("\n{} is no check's evidence", part.name)),
            },
        }
    }
    // The gravest first; of equals, in the order they were asked.
    all.sort_by_key(|evidence: &Evidence| std::cmp::Reverse(evidence.severity));
    let of = |word: &'static str| all.iter().filter(move |evidence| evidence.outcome.word() == word);
    for evidence in of("fail").chain(of("unknown")) {
        ui.answer("");
        check::show(ui, evidence, rows);
    }
    for word in ["pass", "not-applicable"] {
        if of(word).next().is_some() {
            ui.answer(format!("\n{} (ledger show CODE)", if word == "pass" { "Passed" } else { "Not applicable" }));
        }
        for evidence in of(word) {
            let what = match evidence.outcome.why() {
                Some(why) => inert(why),
                None => format!("{}: {}", format::plural(evidence.rows.len() as u64, "subject", "subjects"), evidence.title),
            };
            let code = format!("{:<34}", evidence.check.as_str());
            ui.answer(format!("  {} {what}", ui.out(&code, check::tone(evidence))));
        }
    }
    Ok(())
}
