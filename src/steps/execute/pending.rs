//! Which files are to run, whether they are the examined ones, and what came of them.

use serde_json::{Value, json};

use super::Ran;
use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::domain::product::ScriptsProduct;
use crate::migrate::layout::same;
use crate::migrate::verify::verify;
use crate::migrate::{Failure, Migration, MigrationSet, SchemaState, Script};
use crate::pg::Session;
use crate::steps::scripts::{applied_row, failure_row, ran as ran_files};
use crate::steps::{Context, StepError, StepReport, probe, unanswered};

/// What is not applied yet, and what an earlier attempt of this very run has applied.
pub fn find<'a>(set: &'a MigrationSet, state: &SchemaState, run: &str, up_to: Option<&'a str>) -> (Vec<&'a Migration>, Vec<&'a Migration>) {
    let by_this_run = |version: &str| match state {
        SchemaState::History(rows) => rows.iter().any(|row| same(&row.version, version) && row.run == run),
        _ => false,
    };
    let pending = set.up_to(up_to).filter(|m| !state.has(&m.version)).collect();
    let earlier = set.migrations.iter().filter(|m| by_this_run(&m.version)).collect();
    (pending, earlier)
}

/// Whether every file to run is what the scripts task examined.
pub fn files_as_examined(
    report: &mut StepReport,
    asked: Asked,
    examined: &ScriptsProduct,
    pending: &[&Migration],
    earlier: &[&Migration],
) -> Result<bool, StepError> {
    if pending.is_empty() && earlier.is_empty() {
        unanswered(report, "files-as-examined", asked, "files", "nothing is pending")?;
        return Ok(true);
    }
    let mut rows = Vec::new();
    for migration in pending.iter().chain(earlier) {
        let Some(facts) = examined.migrations.iter().find(|facts| facts.version == migration.version && facts.file == migration.up.file)
        else {
            rows.push(SubjectRow::new(&migration.up.file, false, "examined by the scripts task", "it was not there then"));
            continue;
        };
        let scripts: [(&str, Option<&Script>, Option<&String>); 3] = [
            ("up", Some(&migration.up), Some(&facts.up_sha256)),
            ("down", migration.down.as_ref(), facts.down_sha256.as_ref()),
            ("verify", migration.verify.as_ref(), facts.verify_sha256.as_ref()),
        ];
        for (what, script, then) in scripts {
            let now = script.map(|script| &script.sha256);
            if now.is_none() && then.is_none() {
                continue;
            }
            let subject = script.map_or_else(|| format!("{} {what}", migration.version), |script| script.file.clone());
            let shown = |digest: Option<&String>| digest.map_or_else(|| "no file".to_owned(), |digest| format!("sha256 {digest}"));
            rows.push(SubjectRow::new(subject, now == then, shown(then), shown(now)));
        }
    }
    let all = rows.iter().all(|row| row.ok == Some(true));
    probe(report, "files-as-examined", asked, "files", Value::Null, rows)?;
    Ok(all)
}

/// What came of each file, and in which state the database is.
pub fn applied(cx: &Context<'_>, report: &mut StepReport, ran: &Ran<'_>, after: &SchemaState) -> Result<(), StepError> {
    let asked = ran_files(ran.proved.iter().map(|proved| &proved.applied));
    let code = "migrations-applied";
    if ran.pending.is_empty() && ran.earlier.is_empty() {
        let why = format!("nothing is pending: the target is at {}", after.version().unwrap_or("no version"));
        cx.log.line(&why);
        return unanswered(report, code, asked, "target", why);
    }
    let mut rows: Vec<SubjectRow> = ran
        .earlier
        .iter()
        .map(|m| SubjectRow::new(&m.up.file, true, "runs", format!("applied earlier in this run, at {}", applied_at(after, &m.version))))
        .collect();
    let state = stated(ran, after);
    for (index, migration) in ran.pending.iter().enumerate() {
        let recorded = after_has(after, &migration.version);
        rows.push(match ran.proved.get(index) {
            None => match &ran.stopped {
                Some(why) => SubjectRow::undecided(&migration.up.file, "runs", format!("not tried: {why}. State: {state}")),
                None => SubjectRow::undecided(&migration.up.file, "runs", "not tried: a file before it did not hold"),
            },
            Some(proved) => {
                let mut row = applied_row(&proved.applied);
                match (&proved.applied.failure, recorded) {
                    (None, false) => {
                        row.ok = Some(false);
                        row.observed = format!("{}, but the history does not have it", row.observed);
                    }
                    (Some(_), true) => row.observed = format!("{}; the history has it all the same: its commit was done", row.observed),
                    _ => {}
                }
                if proved.applied.failure.is_some() {
                    row.observed = format!("{}. State: {state}", row.observed);
                }
                row
            }
        });
    }
    if let Some(failure) = ran.proved.iter().find_map(|proved| proved.applied.failure.as_ref()) {
        cx.log.line(format!("STOPPED at {}; state of the database: {state}", failure.subject()));
    }
    probe(report, code, asked, "target", Value::Null, rows)
}

fn after_has(after: &SchemaState, version: &str) -> bool {
    matches!(after, SchemaState::History(_)) && after.has(version)
}

fn applied_at<'a>(after: &'a SchemaState, version: &str) -> &'a str {
    match after {
        SchemaState::History(rows) => rows.iter().find(|row| same(&row.version, version)).map_or("", |row| row.applied_at.as_str()),
        _ => "",
    }
}

/// `002, 003 applied; 004 rolled back; 005 not tried`, as the history says.
fn stated(ran: &Ran<'_>, after: &SchemaState) -> String {
    let mut parts = Vec::new();
    let versions = |of: Vec<&str>| of.join(", ");
    let applied: Vec<&str> = ran.pending.iter().filter(|m| after_has(after, &m.version)).map(|m| m.version.as_str()).collect();
    if !applied.is_empty() {
        parts.push(format!("{} applied", versions(applied)));
    }
    for (migration, proved) in ran.pending.iter().zip(&ran.proved) {
        if proved.applied.failure.is_none() || after_has(after, &migration.version) {
            continue;
        }
        let execution = &proved.applied.execution;
        let done = execution.statements.last().map_or(execution.resumed, |last| last.number + last.times - 1);
        parts.push(match proved.applied.failure.as_ref() {
            _ if migration.transactional => format!("{} rolled back", migration.version),
            // Begun, and nobody heard how it ended.
            Some(failure) if failure.end_unknown && failure.number > done => {
                let stays = kept(done).map(|kept| format!("{kept}, and ")).unwrap_or_default();
                format!(
                    "{} not in a transaction: {stays}whether statement {} did its work is not known, look before the next run",
                    migration.version, failure.number
                )
            }
            _ => match kept(done) {
                None => format!("{} not in a transaction, none of its statements done", migration.version),
                Some(kept) => format!("{} not in a transaction: {kept}, the next run goes on at {}", migration.version, done + 1),
            },
        });
    }
    let untried: Vec<&str> = ran.pending.iter().skip(ran.proved.len()).map(|m| m.version.as_str()).collect();
    if !untried.is_empty() {
        parts.push(format!("{} not tried", versions(untried)));
    }
    parts.join("; ")
}

/// `its statements 1 to 3 stay`.
fn kept(done: u64) -> Option<String> {
    match done {
        0 => None,
        1 => Some("its statement 1 stays".to_owned()),
        n => Some(format!("its statements 1 to {n} stay")),
    }
}

/// The verify scripts: those run after each file, and those of files applied by an earlier attempt, asked again now.
pub async fn verified(session: &Session, report: &mut StepReport, ran: &Ran<'_>) -> Result<(), StepError> {
    // Each script right after its file, and not measured apart from it.
    let asked = Asked::unmeasured();
    let mut rows = Vec::new();
    for migration in &ran.earlier {
        rows.extend(verified_row(&migration.up.file, &verify(session, migration).await));
    }
    for proved in &ran.proved {
        match &proved.verified {
            Some(result) => rows.extend(verified_row(&proved.applied.execution.file, result)),
            None => rows.push(SubjectRow::undecided(&proved.applied.execution.file, "verified", "the file did not run")),
        }
    }
    probe(report, "migrations-verified", asked, "target", json!({ "when": "after each file" }), rows)
}

fn verified_row(file: &str, result: &Result<Option<u64>, Failure>) -> Option<SubjectRow> {
    match result {
        Ok(None) => None,
        Ok(Some(statements)) => Some(SubjectRow::new(file, true, "verified", format!("{statements} statements held"))),
        Err(failure) => Some(failure_row(failure, "verified")),
    }
}
