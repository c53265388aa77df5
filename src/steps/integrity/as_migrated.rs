//! Rows lost, gained or changed outside what the migrations do.
//!
//! A copy of the pre-migration backup gets the same migrations. Every table of before is then held against the target, on the columns it had
//! before: the exact number of its rows and their digest. What differs was done by something else than the migrations.

use std::path::Path;

use crate::domain::SubjectRow;
use crate::domain::product::{ExecuteProduct, TableState};
use crate::migrate::rehearse::prove;
use crate::migrate::{ApplyOptions, MigrationSet, history};
use crate::pg::data::{self, Columns};
use crate::pg::dump::workers;
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
    Ok(rows(&columns, &expected, &found, |table| cx.config.integrity.may_change.get(table).cloned()))
}

/// One row per table of before that the migrations keep.
fn rows(columns: &Columns, expected: &[TableState], found: &[TableState], may_change: impl Fn(&str) -> Option<String>) -> Vec<SubjectRow> {
    let of_before = expected.iter().filter(|state| columns.contains_key(&state.table));
    of_before
        .filter(|state| !super::rows::is_history(&state.table))
        .map(|wanted| {
            let wants = format!("{} rows, as the migrations leave them", wanted.rows);
            let observed = match found.iter().find(|state| state.table == wanted.table) {
                None => "the table is gone".to_owned(),
                Some(state) if state == wanted => return SubjectRow::new(&wanted.table, true, wants, "the same rows"),
                Some(state) if state.rows < wanted.rows => format!("{} rows: {} lost", state.rows, wanted.rows - state.rows),
                Some(state) if state.rows > wanted.rows => format!("{} rows: {} gained", state.rows, state.rows - wanted.rows),
                Some(state) => format!("{} rows, some of them changed", state.rows),
            };
            match may_change(&wanted.table) {
                Some(reason) => SubjectRow::new(&wanted.table, true, format!("may change: {reason}"), observed),
                None => SubjectRow::new(&wanted.table, false, wants, observed),
            }
        })
        .collect()
}
