//! Rows lost, gained or changed outside what the migrations do.
//!
//! A copy of the pre-migration backup gets the same migrations. Every table of before is then held against the target, on the columns it had
//! before: the exact number of its rows and their digest. What differs was done by something else than the migrations; by how many rows lost, gained and
//! changed is counted row by row.

use std::cmp::Ordering;
use std::path::Path;

use serde_json::{Value, json};

use crate::domain::SubjectRow;
use crate::domain::product::{ExecuteProduct, TableState};
use crate::migrate::rehearse::prove;
use crate::migrate::{ApplyOptions, MigrationSet, history};
use crate::pg::data;
use crate::pg::dump::workers;
use crate::pg::rows::{Difference, difference};
use crate::pg::{Access, PgError, Target};
use crate::steps::Context;

/// Makes the copy, migrates it, compares it with the target, drops it. `Err`: it could not be made, and why.
pub async fn compare(cx: &Context<'_>, backup: &Path, executed: &ExecuteProduct) -> Result<Vec<SubjectRow>, PgError> {
    let (db, _) = cx.scratch.copy_of(backup, "as-migrated").await?;
    let compared = in_copy(cx, db.target(), executed).await;
    if let Err(error) = cx.scratch.drop_db(db).await {
        cx.log.line(format!("the scratch database is left behind: {error}"));
    }
    compared
}

async fn in_copy(cx: &Context<'_>, copy: &Target, executed: &ExecuteProduct) -> Result<Vec<SubjectRow>, PgError> {
    let config = &cx.config.migrations;
    let mut excluded = cx.config.backup.exclude_schemas.clone();
    excluded.push("ledger".to_owned());
    let columns = data::columns(&copy.session(Access::ReadOnly).await?, &excluded).await?;
    let set = MigrationSet::read(&cx.project.path(&config.dir), &config.layout);
    let applied: Vec<&str> = executed.files.iter().filter(|file| file.applied).map(|file| file.version.as_str()).collect();
    if !applied.is_empty() {
        let set = set.as_ref().map_err(|error| PgError::other(error.to_string()))?;
        let hands = copy.session(Access::ReadWrite).await?;
        history::ensure(&hands, set, config.baseline.as_deref()).await?;
        let options = ApplyOptions::of(config, cx.run.as_str());
        for version in applied {
            let migration = set.find(version).ok_or_else(|| PgError::other(format!("the file of version {version} is gone")))?;
            cx.progress.say(&format!("the same migrations in a copy · {version}"));
            let proved = prove(&hands, migration, &options, (0, None), &mut |_| {}).await;
            if let Some(failure) = proved.applied.failure {
                return Err(PgError::other(format!("in the copy: {failure}")));
            }
        }
    }
    let states = async |target: &Target, what: &str| -> Result<Vec<TableState>, PgError> {
        let told = |done: usize, all: usize| cx.progress.say(&format!("rows of the {what} · {done} of {all} tables"));
        data::table_states_on(target, &excluded, workers(&cx.config.backup), None, &columns, &told).await
    };
    let (mut expected, found) = (states(copy, "copy").await?, states(cx.target, "target").await?);
    // What the tool writes down of its own doing is no tenant's.
    expected.retain(|state| !set.as_ref().is_ok_and(|set| set.keeps(&state.table)));
    let mut rows = Vec::with_capacity(expected.len());
    for wanted in expected.iter().filter(|state| columns.contains_key(&state.table) && !super::rows::is_history(&state.table)) {
        let state = found.iter().find(|state| state.table == wanted.table);
        let row = match state {
            Some(state) if state != wanted => {
                cx.progress.say(&format!("rows of {}, one by one", wanted.table));
                differs(wanted, state, difference(copy, cx.target, &wanted.table, &columns).await)
            }
            state => same_or_gone(wanted, state),
        };
        let declared = cx.config.integrity.may_change.get(&wanted.table).filter(|_| row.ok == Some(false));
        rows.push(match declared {
            Some(reason) => SubjectRow { ok: Some(true), expected: format!("may change: {reason}"), ..row },
            None => row,
        });
    }
    Ok(rows)
}

fn wants(wanted: &TableState) -> String {
    format!("{} rows, as the migrations leave them", wanted.rows)
}

fn same_or_gone(wanted: &TableState, found: Option<&TableState>) -> SubjectRow {
    match found {
        Some(_) => SubjectRow::new(&wanted.table, true, wants(wanted), "the same rows")
            .with_detail(json!({ "lost": 0, "gained": 0, "changed": 0 })),
        None => SubjectRow::new(&wanted.table, false, wants(wanted), "the table is gone").with_detail(json!({ "lost": wanted.rows })),
    }
}

/// That the table differs is established; by which rows, as far as that could be told.
fn differs(wanted: &TableState, found: &TableState, difference: Result<Difference, PgError>) -> SubjectRow {
    let (observed, detail) = match difference {
        Ok(difference) => (format!("{} rows: {}", found.rows, told(&difference)), json!(difference)),
        Err(error) => {
            let by = match found.rows.cmp(&wanted.rows) {
                Ordering::Less => format!("{} fewer", wanted.rows - found.rows),
                Ordering::Greater => format!("{} more", found.rows - wanted.rows),
                Ordering::Equal => "as many, of other contents".to_owned(),
            };
            (format!("{} rows: {by}; by which rows was not told: {error}", found.rows), Value::Null)
        }
    };
    SubjectRow::new(&wanted.table, false, wants(wanted), observed).with_detail(detail)
}

/// `2 lost, 1 changed (in budget)`.
fn told(difference: &Difference) -> String {
    let parts: Vec<String> = [(difference.lost, "lost"), (difference.gained, "gained"), (difference.changed, "changed")]
        .into_iter()
        .filter(|(many, _)| *many > 0)
        .map(|(many, word)| format!("{many} {word}"))
        .collect();
    let mut out = match parts.is_empty() {
        true => "they differed, and a moment later did not".to_owned(),
        false => parts.join(", "),
    };
    match (difference.keyed, difference.columns.as_slice()) {
        (_, [_, ..]) => out.push_str(&format!(" (in {})", difference.columns.join(", "))),
        (false, _) => out.push_str(" (without a key a changed row counts as lost and gained)"),
        _ => {}
    }
    out
}
