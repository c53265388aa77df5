//! What the trial's stages come to: rows of checks.

use serde_json::{Value, json};

use super::trial::{Counts, RowCounts, Snapshot, Trial};
use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::domain::product::TableState;
use crate::pg::{Catalog, CatalogChange};
use crate::steps::scripts::{applied_row, failure_row, ran};
use crate::steps::{StepError, StepReport, probe, unanswered};

/// The checks of the trial, in order.
pub const CODES: [&str; 7] = [
    "rollback-runs",
    "rollback-restores-catalog",
    "rollback-keeps-row-security",
    "rollback-keeps-data",
    "rollback-up-again",
    "rollback-keeps-new-rows",
    "rollback-keeps-column-order",
];
pub const WHERE: &str = "scratch: copy of the pre-migration backup";

/// Kinds of the catalog that protect rows.
const PROTECTION: [&str; 2] = ["row security", "policy"];

/// Judges the whole trial.
pub fn all(report: &mut StepReport, trial: &Trial) -> Result<(), StepError> {
    let mut open = |codes: &[&str], why: &str| -> Result<(), StepError> {
        codes.iter().try_for_each(|code| unanswered(report, code, Asked::unmeasured(), WHERE, why))
    };
    if let Some(why) = &trial.not_up {
        return open(&CODES, why);
    }
    if trial.above == 0 {
        return open(&CODES, "no migration stands above the target version: there is no way back to try");
    }
    let mut say = |code: &str, asked: Asked, rows: Vec<SubjectRow>| probe(report, code, asked, WHERE, Value::Null, rows);
    say(
        "rollback-runs",
        ran(trial.down.iter().filter_map(|step| step.applied.as_ref())),
        trial
            .down
            .iter()
            .map(|step| match &step.applied {
                Some(applied) => applied_row(applied),
                None => SubjectRow::undecided(
                    format!("{} {}", step.version, step.name),
                    "runs",
                    "no down script; nothing further back was tried",
                ),
            })
            .collect(),
    )?;
    let (Some(before), Some(after)) = (&trial.at_target, &trial.after) else {
        return CODES[1..]
            .iter()
            .try_for_each(|code| unanswered(report, code, Asked::unmeasured(), WHERE, "the way down was not gone to its end"));
    };
    say("rollback-restores-catalog", after.catalog_read.clone(), catalog_rows(&before.catalog, &after.catalog))?;
    say("rollback-keeps-row-security", after.catalog_read.clone(), protection_rows(&before.catalog, &after.catalog))?;
    say("rollback-keeps-data", after.tables_read.clone(), data_rows(before, after))?;
    say("rollback-keeps-column-order", after.catalog_read.clone(), order_rows(&before.catalog, &after.catalog))?;
    say(
        "rollback-up-again",
        ran(trial.again.iter().map(|proved| &proved.applied)),
        trial
            .again
            .iter()
            .map(|proved| match &proved.verified {
                Some(Err(failure)) => failure_row(failure, "runs again and verifies"),
                _ => applied_row(&proved.applied),
            })
            .collect(),
    )?;
    match (&trial.counts, trial.went_up_again()) {
        (Some(counts), true) => {
            let without: Vec<Value> = trial.without.iter().map(|(table, why)| json!({ "table": table, "why": why })).collect();
            let rows = witness_rows(trial, before, counts);
            probe(report, CODES[5], counts.asked.clone(), WHERE, json!({ "tables without a witness": without }), rows)
        }
        (None, true) => unanswered(report, CODES[5], Asked::unmeasured(), WHERE, "the second way down was not gone to its end"),
        (_, false) => unanswered(report, CODES[5], Asked::unmeasured(), WHERE, "the second way up was not gone to its end"),
    }
}

/// Judges a way back by the catalog alone: rows may have been written since.
pub fn catalogs(report: &mut StepReport, asked_of: &str, asked: &Asked, before: &Catalog, after: &Catalog) -> Result<(), StepError> {
    let mut say = |code: &str, rows: Vec<SubjectRow>| probe(report, code, asked.clone(), asked_of, Value::Null, rows);
    say("rollback-restores-catalog", catalog_rows(before, after))?;
    if before.objects.keys().any(|kind| PROTECTION.contains(&kind.as_str())) {
        say("rollback-keeps-row-security", protection_rows(before, after))?;
    }
    Ok(())
}

/// Everything that should not differ, one readable line each.
pub fn differences(trial: &Trial) -> Vec<String> {
    let (Some(before), Some(after)) = (&trial.at_target, &trial.after) else { return Vec::new() };
    let lost = trial.looked.iter().filter(|looked| !matches!(looked.there, Ok(true)));
    catalog_rows(&before.catalog, &after.catalog)
        .into_iter()
        .chain(protection_rows(&before.catalog, &after.catalog))
        .chain(data_rows(before, after))
        .filter(|row| row.ok == Some(false))
        .map(|row| format!("{}: expected {}, observed {}", row.subject, row.expected, row.observed))
        .chain(lost.map(|looked| format!("{}: the witness row is gone", looked.witness.table)))
        .collect()
}

/// A change that takes protection away: judged apart, as the worst there is.
fn unprotects(change: &CatalogChange) -> bool {
    PROTECTION.contains(&change.kind.as_str()) && change.before.is_some() && !(change.kind == "row security" && stronger(change))
}

/// Row security that is more than it was: a leftover, not a loss.
fn stronger(change: &CatalogChange) -> bool {
    let rank = |text: &Option<String>| match text.as_deref() {
        Some("enabled, forced") => 3,
        Some("enabled, not forced") => 2,
        Some(_) => 1,
        None => 0,
    };
    rank(&change.after) >= rank(&change.before)
}

fn catalog_rows(before: &Catalog, after: &Catalog) -> Vec<SubjectRow> {
    let changes: Vec<CatalogChange> = before.diff(after).into_iter().filter(|change| !unprotects(change)).collect();
    let mut rows: Vec<SubjectRow> = before
        .objects
        .iter()
        .filter(|(kind, _)| !changes.iter().any(|change| change.kind == **kind))
        .map(|(kind, objects)| SubjectRow::new(kind, true, "as at the target version", format!("{} equal", objects.len())))
        .collect();
    rows.extend(changes.iter().map(|change| {
        let (expected, observed) = match (&change.before, &change.after) {
            (None, Some(_)) => ("not there", "left behind".to_owned()),
            (Some(_), None) => ("there", "gone".to_owned()),
            (_, after) => ("as at the target version", format!("changed: {}", after.as_deref().unwrap_or_default())),
        };
        let detail = json!({ "kind": change.kind, "before": change.before, "after": change.after });
        SubjectRow::new(&change.object, false, format!("{} {expected}", change.kind), observed).with_detail(detail)
    }));
    rows
}

fn protection_rows(before: &Catalog, after: &Catalog) -> Vec<SubjectRow> {
    let lost: Vec<CatalogChange> = before.diff(after).into_iter().filter(unprotects).collect();
    let mut rows = Vec::new();
    for kind in PROTECTION {
        for (object, definition) in before.objects.get(kind).into_iter().flatten() {
            rows.push(match lost.iter().find(|change| change.kind == kind && change.object == *object) {
                None => SubjectRow::new(object, true, definition, "kept"),
                Some(change) => {
                    let observed = change.after.clone().unwrap_or_else(|| "gone".into());
                    SubjectRow::new(object, false, format!("{kind}: {definition}"), observed)
                }
            });
        }
    }
    rows
}

fn data_rows(before: &Snapshot, after: &Snapshot) -> Vec<SubjectRow> {
    let row = |state: &TableState, now: &[TableState]| {
        let expected = format!("{} rows, unchanged", state.rows);
        match now.iter().find(|after| after.table == state.table) {
            None => SubjectRow::new(&state.table, false, expected, "the table is gone"),
            Some(after) if after.rows != state.rows => SubjectRow::new(&state.table, false, expected, format!("{} rows", after.rows)),
            Some(after) if after.digest != state.digest => {
                SubjectRow::new(&state.table, false, expected, format!("{} rows, contents differ", after.rows))
            }
            Some(after) => SubjectRow::new(&state.table, true, expected, format!("{} rows, unchanged", after.rows)),
        }
    };
    let tables = before.tables.iter().map(|state| row(state, &after.tables));
    let large = before.large_objects.iter().map(|state| row(state, after.large_objects.as_slice()));
    // A sequence that was set back hands out keys that exist. One that is gone is the catalog's finding; one that cycles has no order.
    let sequences = before.positions.iter().filter(|position| !position.cycles).filter_map(|was| {
        let is = after.positions.iter().find(|is| is.sequence == was.sequence)?;
        let (ok, observed) = if is.has_reached(was) { (true, "not set back") } else { (false, "set back") };
        Some(SubjectRow::new(format!("sequence {}", was.sequence), ok, "not set back", observed))
    });
    tables.chain(large).chain(sequences).collect()
}

fn order_rows(before: &Catalog, after: &Catalog) -> Vec<SubjectRow> {
    let reordered = before.reordered(after);
    let kept = before.column_order.keys().filter(|table| after.column_order.contains_key(*table)).count() - reordered.len();
    let mut rows = Vec::new();
    if kept > 0 {
        rows.push(SubjectRow::new("tables", true, "as at the target version", format!("{kept} in the same order")));
    }
    rows.extend(reordered.into_iter().map(|(table, was, is)| SubjectRow::new(table, false, was, is)));
    rows
}

fn witness_rows(trial: &Trial, at_target: &Snapshot, counts: &Counts) -> Vec<SubjectRow> {
    let mut rows: Vec<SubjectRow> = trial
        .looked
        .iter()
        .map(|looked| {
            let (table, expected) = (&looked.witness.table, "the witness row is there");
            match &looked.there {
                Ok(there) => SubjectRow::new(table, *there, expected, if *there { "there" } else { "gone" }),
                Err(error) if error.sqlstate.is_some() && !error.disconnected => SubjectRow::new(table, false, expected, error.to_string()),
                Err(error) => SubjectRow::undecided(table, expected, error.to_string()),
            }
        })
        .collect();
    // Other new rows, such as those that triggers wrote of the witnesses, must stay as well. Rows that the migrations themselves
    // inserted may go.
    for state in &at_target.tables {
        let at = |counts: &RowCounts| counts.get(&state.table).copied().unwrap_or_default();
        let new = at(&counts.before_down) - at(&counts.before_planting);
        // Rows that the first way down lost are the finding of rollback-keeps-data.
        let old = trial.after.iter().flat_map(|after| &after.tables).find(|after| after.table == state.table).map_or(0, |after| after.rows);
        let old = old.min(state.rows);
        let least = i64::try_from(old).unwrap_or(i64::MAX).saturating_add(new);
        let named = rows.iter().any(|row| row.subject == state.table && row.ok != Some(true));
        if at(&counts.after_down) < least && !named {
            rows.retain(|row| row.subject != state.table);
            let expected = format!("at least {least} rows: {old} of the target version, {new} new");
            rows.push(SubjectRow::new(&state.table, false, expected, format!("{} rows", at(&counts.after_down))));
        }
    }
    rows
}
