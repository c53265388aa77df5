//! From a step's report to the drafts of `task.started` and `task.result`: the only place where evidence becomes parts.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::chain::{Draft, EntryType, PartDraft};
use crate::domain::plan::Task;
use crate::domain::verdict::CheckResult;
use crate::domain::{CheckOutcome, Outcome, RunId};
use crate::record::{ResultDocument, check_part_name};
use crate::redact::Redactor;
use crate::steps::StepReport;

/// Longest reason in a header; the whole one is in `result.json`.
const REASON_LIMIT: usize = 400;

const JSON: &str = "application/json";

/// What a result is made of.
pub struct Result<'a> {
    /// The entry of `task.started`.
    pub start: u64,
    pub attempt: u32,
    pub outcome: &'a Outcome,
    /// Why the step stopped before it had asked everything, if it did.
    pub stopped: Option<&'a str>,
    pub duration: Duration,
    pub report: &'a StepReport,
    pub log: String,
    pub redactor: &'a Redactor,
}

/// The attempt starts.
pub fn started(actor: &str, run: &RunId, task: &Task, attempt: u32) -> Draft {
    let mut draft = Draft::new(EntryType::TaskStarted, actor);
    draft.run = Some(run.to_string());
    draft.task = Some(task.id.to_string());
    draft.attempt = Some(attempt);
    draft
}

/// The attempt ends: outcome and counts in the header, everything else as parts, cleaned of secrets.
pub fn result(actor: &str, run: &RunId, task: &Task, result: &Result<'_>) -> Draft {
    let mut draft = Draft::new(EntryType::TaskResult, actor);
    draft.run = Some(run.to_string());
    draft.task = Some(task.id.to_string());
    draft.attempt = Some(result.attempt);
    draft.refs = vec![result.start];
    draft.body = body(result);
    draft.parts = parts(task, result);
    draft
}

fn body(result: &Result<'_>) -> Map<String, Value> {
    let count = |wanted: fn(&CheckOutcome) -> bool| result.report.evidence.iter().filter(|evidence| wanted(&evidence.outcome)).count();
    let mut body = Map::new();
    body.insert("outcome".into(), result.outcome.word().into());
    if let Some(why) = result.outcome.why() {
        let why: String = result.redactor.clean(why).chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_LIMIT).collect();
        body.insert("why".into(), why.into());
    }
    body.insert("duration_us".into(), i64::try_from(result.duration.as_micros()).unwrap_or(i64::MAX).into());
    body.insert(
        "checks".into(),
        json!({
            "pass": count(|o| matches!(o, CheckOutcome::Pass)),
            "fail": count(|o| matches!(o, CheckOutcome::Fail)),
            "unknown": count(|o| matches!(o, CheckOutcome::Unknown(_))),
            "not_applicable": count(|o| matches!(o, CheckOutcome::NotApplicable(_))),
        }),
    );
    body
}

fn parts(task: &Task, result: &Result<'_>) -> Vec<PartDraft> {
    let report = result.report;
    let document = ResultDocument {
        outcome: result.outcome.clone(),
        headline: report.headline.clone(),
        checks: report
            .evidence
            .iter()
            .map(|evidence| CheckResult {
                code: evidence.check.clone(),
                title: evidence.title.clone(),
                severity: evidence.severity,
                outcome: evidence.outcome.clone(),
                examined: evidence.rows.len() as u64,
                subjects: evidence.findings().map(|finding| finding.subject).collect(),
            })
            .collect(),
        stopped: result.stopped.map(str::to_owned),
        product: report.product.clone(),
    };
    let redactor = result.redactor;
    let mut parts = vec![PartDraft::bytes("result.json", JSON, cleaned_json(&document, redactor))];
    for evidence in &report.evidence {
        parts.push(PartDraft::bytes(check_part_name(evidence.check.as_str()), JSON, cleaned_json(evidence, redactor)));
    }
    for attachment in &report.attachments {
        let bytes = cleaned(&attachment.media, &attachment.bytes, redactor);
        parts.push(PartDraft::bytes(attachment.name.clone(), attachment.media.clone(), bytes));
    }
    parts.push(PartDraft::bytes(task.log_name(), "text/plain", redactor.clean(&result.log).into_bytes()));
    parts
}

/// An attachment without secrets. JSON is cleaned string by string, so that it stays JSON; what is not text is kept as it is.
fn cleaned(media: &str, bytes: &[u8], redactor: &Redactor) -> Vec<u8> {
    if media == JSON
        && let Ok(value) = serde_json::from_slice::<Value>(bytes)
    {
        return cleaned_json(&value, redactor);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => redactor.clean(text).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

fn cleaned_json(value: &impl serde::Serialize, redactor: &Redactor) -> Vec<u8> {
    // These types hold no maps with keys that are not strings, the one thing that could fail.
    let mut value = serde_json::to_value(value).unwrap_or_default();
    clean_strings(&mut value, redactor);
    let mut text = format!("{value:#}");
    text.push('\n');
    text.into_bytes()
}

fn clean_strings(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.clean(text),
        Value::Array(items) => items.iter_mut().for_each(|item| clean_strings(item, redactor)),
        Value::Object(members) => members.values_mut().for_each(|member| clean_strings(member, redactor)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
