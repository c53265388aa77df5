//! The deliverables of the step: inventory, orphan results, integrity report.

use serde_json::{Value, json};

use super::inventory::{Key, action, match_type};
use crate::domain::Evidence;
use crate::steps::counting::Answer;
use crate::steps::paper::{checks, csv_line, table};

/// `fk_inventory.csv`: one line per key.
pub fn inventory_csv(keys: &[Key], orphans: &[Option<Answer>]) -> String {
    let mut out = csv_line(&[
        "constraint",
        "child",
        "child_columns",
        "child_types",
        "parent",
        "parent_columns",
        "parent_types",
        "on_update",
        "on_delete",
        "match",
        "deferrable",
        "initially_deferred",
        "validated",
        "enforced",
        "nullable",
        "self_referencing",
        "partitioned",
        "child_index",
        "triggers",
        "triggers_disabled",
        "child_rows_estimate",
        "parent_rows_estimate",
        "orphans",
    ]);
    for (key, answer) in keys.iter().zip(orphans) {
        let types = |of: fn(&super::inventory::KeyColumn) -> (&str, Option<&str>)| {
            let shown = key.columns.iter().map(of).map(|(kind, collation)| match collation {
                Some(collation) if !collation.ends_with("\"default\"") && !collation.ends_with(".default") => {
                    format!("{kind} COLLATE {collation}")
                }
                _ => kind.to_owned(),
            });
            shown.collect::<Vec<_>>().join(", ")
        };
        out.push_str(&csv_line(&[
            key.name.clone(),
            key.child.clone(),
            key.child_columns(),
            types(|column| (&column.child_type, column.child_collation.as_deref())),
            key.parent.clone(),
            key.parent_columns(),
            types(|column| (&column.parent_type, column.parent_collation.as_deref())),
            action(&key.on_update).to_owned(),
            action(&key.on_delete).to_owned(),
            match_type(&key.match_type).to_owned(),
            key.deferrable.to_string(),
            key.deferred.to_string(),
            key.validated.to_string(),
            key.enforced.to_string(),
            key.columns.iter().any(|column| column.child_nullable).to_string(),
            (key.child_oid == key.parent_oid).to_string(),
            (key.child_partitioned || key.parent_partitioned).to_string(),
            key.indexed.to_string(),
            key.triggers.to_string(),
            key.triggers_disabled.to_string(),
            estimate(key.child_rows),
            estimate(key.parent_rows),
            answer.as_ref().and_then(|answer| answer.count.as_ref().ok()).map(u64::to_string).unwrap_or_default(),
        ]));
    }
    out
}

/// The planner's estimate; empty where the table was never analysed.
fn estimate(rows: f64) -> String {
    if rows < 0.0 { String::new() } else { format!("{rows:.0}") }
}

/// `orphan_check_results.json`: every key with its count, or why there is none.
pub fn orphan_results(keys: &[Key], orphans: &[Option<Answer>], timeout_ms: u64) -> Value {
    let results: Vec<Value> = keys
        .iter()
        .zip(orphans)
        .map(|(key, answer)| {
            json!({
                "key": key.subject(),
                "constraint": key.name,
                "validated": key.validated,
                "enforced": key.enforced,
                "orphans": answer.as_ref().and_then(|answer| answer.count.as_ref().ok()),
                "why_not_counted": why_not(key, answer.as_ref()),
                "duration_us": answer.as_ref().map(|answer| u64::try_from(answer.duration.as_micros()).unwrap_or(u64::MAX)),
            })
        })
        .collect();
    let counted = orphans.iter().flatten().filter(|answer| answer.count.is_ok()).count();
    json!({
        "schema": "ledger/orphan-check/1",
        "keys": keys.len(),
        "counted": counted,
        "orphans": total(orphans),
        "statement_timeout_ms": timeout_ms,
        "snapshot": "one exported snapshot for all keys",
        "results": results,
    })
}

/// All orphans that were counted.
pub fn total(orphans: &[Option<Answer>]) -> u64 {
    orphans.iter().flatten().filter_map(|answer| answer.count.as_ref().ok()).sum()
}

/// Why a key has no count.
pub fn why_not(key: &Key, answer: Option<&Answer>) -> Option<String> {
    match answer {
        Some(answer) => {
            let error = answer.count.as_ref().err()?;
            let size = if key.child_rows >= 0.0 { format!(" (about {:.0} rows)", key.child_rows) } else { String::new() };
            Some(if answer.timed_out { format!("{}{size}", answer.why(error)) } else { answer.why(error) })
        }
        None => Some("not counted: the counting sessions ended early".into()),
    }
}

/// `fk_integrity_report.md`.
pub fn integrity_report(keys: &[Key], orphans: &[Option<Answer>], evidence: &[Evidence], headline: &str) -> String {
    let mut out = format!("# Foreign key integrity\n\n{headline}\n\n## Checks\n\n");
    out.push_str(&checks(evidence));
    out.push_str("\n## Keys\n\n");
    if keys.is_empty() {
        out.push_str("The database has no foreign key.\n");
        return out;
    }
    out.push_str(&table(
        &["Key", "On delete", "Validated", "Index", "Orphans"],
        keys.iter().zip(orphans).map(|(key, answer)| {
            let count = match answer.as_ref().map(|answer| &answer.count) {
                Some(Ok(count)) => count.to_string(),
                _ => why_not(key, answer.as_ref()).unwrap_or_default(),
            };
            let validated = match (key.enforced, key.validated) {
                (false, _) => "not enforced",
                (true, true) => "yes",
                (true, false) => "no",
            };
            vec![
                key.subject().into(),
                action(&key.on_delete).into(),
                validated.into(),
                if key.indexed { "yes" } else { "no" }.into(),
                count.into(),
            ]
        }),
    ));
    out.push_str(
        "\nOrphans were counted for every key, validated or not, in one snapshot: rows loaded with \
         `session_replication_role = replica` orphan a validated key. No row value was read into this report.\n",
    );
    out
}
