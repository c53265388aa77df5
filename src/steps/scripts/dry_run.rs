//! The dry run in a scratch copy of the target, and what it establishes.

use serde_json::json;

use super::Scripts;
use super::files::pending_or_unknown;
use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::migrate::rehearse::{Proved, Rehearsal, rehearse};
use crate::migrate::{Applied, ApplyOptions, Failure, Tracer, history};
use crate::pg::{Access, PgError};
use crate::steps::{Context, StepError, StepReport};

const CODES: [&str; 3] = ["dry-run-applies", "dry-run-verifies", "dry-run-round-trip"];
const WHERE: &str = "scratch: copy of the pre-migration backup";

/// Runs it. `None`: there was nothing to run, or nowhere to run it, and the checks say so.
pub async fn run(cx: &Context<'_>, report: &mut StepReport, scripts: &Scripts<'_>) -> Result<Option<Rehearsal>, StepError> {
    let mut log = String::new();
    let result = match (scripts.pending.is_empty(), cx.environment().and_then(|environment| environment.backup.as_ref())) {
        (true, _) => {
            for code in CODES {
                pending_or_unknown(report, code, Asked::unmeasured(), scripts, Vec::new())?;
            }
            log.push_str("nothing pending, nothing run\n");
            Ok(None)
        }
        (false, None) => {
            for code in CODES {
                crate::steps::unanswered(report, code, Asked::unmeasured(), WHERE, "the environment task made no backup to copy from")?;
            }
            log.push_str("no backup to copy the target from, nothing run\n");
            Ok(None)
        }
        (false, Some(backup)) => {
            let file = cx.project.path(backup.file.as_ref());
            cx.progress.say("restoring the backup into a scratch database");
            let tried = in_copy(cx, scripts, &file, &mut log).await;
            match tried {
                Ok(rehearsal) => {
                    judge(report, &rehearsal)?;
                    Ok(Some(rehearsal))
                }
                Err(error) => {
                    for code in CODES {
                        crate::steps::unanswered(report, code, Asked::unmeasured(), WHERE, format!("no scratch copy: {error}"))?;
                    }
                    log.push_str(&format!("no scratch copy: {error}\n"));
                    Ok(None)
                }
            }
        }
    };
    report.attach("dry_run_output.log", "text/plain", log);
    let results: Vec<_> = report
        .evidence
        .iter()
        .filter(|evidence| CODES.contains(&evidence.check.as_str()))
        .map(|e| json!({ "check": e.check, "outcome": e.outcome, "examined": e.rows.len(), "rows": e.rows }))
        .collect();
    report.attach_json("local_test_results.json", &json!({ "run in": WHERE, "checks": results }));
    result
}

async fn in_copy(cx: &Context<'_>, scripts: &Scripts<'_>, backup: &std::path::Path, log: &mut String) -> Result<Rehearsal, PgError> {
    let (db, restored_us) = cx.scratch.copy_of(backup, "dry-run").await?;
    if let Some(us) = restored_us {
        log.push_str(&format!("backup restored in {us} us\n"));
    }
    let config = &cx.config.migrations;
    let options = ApplyOptions::of(config, cx.run.as_str());
    let result = match db.session(Access::ReadWrite).await {
        Err(error) => Err(error),
        Ok(session) => {
            let mut say = |line: String| {
                cx.progress.say(&line);
                cx.log.line(format!("dry run: {line}"));
                log.push_str(&line);
                log.push('\n');
            };
            let baseline = config.baseline.as_deref();
            let there = history::schema_version(&session, scripts.set, baseline).await?;
            if there.as_deref() != scripts.state.version() {
                let shown = |version: Option<&str>| version.unwrap_or("no version").to_owned();
                return Err(PgError::other(format!(
                    "the backup is at {}, the target is at {}: run the environment task again",
                    shown(there.as_deref()),
                    shown(scripts.state.version())
                )));
            }
            let tracer = match config.trace {
                false => None,
                true => Tracer::beside(db.target(), &session)
                    .await
                    .map_err(|error| cx.log.line(format!("dry run: locks are not traced: {error}")))
                    .ok(),
            };
            let eyes = db.session(Access::ReadOnly).await?;
            let excluded = cx.not_the_applications();
            rehearse(&session, scripts.set, &scripts.pending, baseline, &options, (tracer.as_ref(), &eyes, &excluded), &mut say).await
        }
    };
    // What was established stays established; a leftover is found by its lease and dropped later.
    if let Err(error) = cx.scratch.drop_db(db).await {
        cx.log.line(format!("dry run: the scratch database is left behind: {error}"));
    }
    result
}

fn judge(report: &mut StepReport, rehearsal: &Rehearsal) -> Result<(), StepError> {
    let mut say = |code, asked, rows| super::answer(report, code, asked, WHERE, rows);
    let up = rehearsal.up.iter().map(|proved| &proved.applied);
    say("dry-run-applies", ran(up), rehearsal.up.iter().map(|proved| applied_row(&proved.applied)).collect())?;
    // Between the files, and not measured apart from them.
    say("dry-run-verifies", Asked::unmeasured(), rehearsal.up.iter().filter_map(verified_row).collect())?;
    let down = rehearsal.down.iter().filter_map(|step| step.applied.as_ref()).map(applied_row);
    let again = rehearsal.again.iter().flat_map(|proved| {
        let failed_verify = verified_row(proved).filter(|row| row.ok != Some(true));
        [Some(applied_row(&proved.applied)), failed_verify].into_iter().flatten().map(|mut row| {
            row.expected.push_str(" again after its way down");
            row
        })
    });
    let rows: Vec<SubjectRow> = down.chain(again).collect();
    match rehearsal.up.iter().all(Proved::holds) {
        true => {
            let back = rehearsal.down.iter().filter_map(|step| step.applied.as_ref());
            say("dry-run-round-trip", ran(back.chain(rehearsal.again.iter().map(|proved| &proved.applied))), rows)
        }
        false => crate::steps::unanswered(report, "dry-run-round-trip", Asked::unmeasured(), WHERE, "the way up did not run to its end"),
    }
}

/// The time of running these files: when the first began, and what all of them took.
pub fn ran<'a>(applied: impl Iterator<Item = &'a Applied> + Clone) -> Asked {
    let first = applied.clone().next().map(|applied| applied.execution.started.as_str());
    Asked::measured(first, applied.map(|applied| applied.execution.duration_us).sum())
}

/// One script as it ran.
pub fn applied_row(applied: &Applied) -> SubjectRow {
    let execution = &applied.execution;
    let expected = "runs";
    match &applied.failure {
        None => {
            let seconds = execution.duration_us as f64 / 1e6;
            let observed = match execution.statements.len() {
                0 => format!("in {seconds:.3} s"),
                n => format!("{n} statements in {seconds:.3} s"),
            };
            SubjectRow::new(&execution.file, true, expected, observed).with_detail(json!({ "statements": execution.statements }))
        }
        Some(failure) => failure_row(failure, expected),
    }
}

fn verified_row(proved: &Proved) -> Option<SubjectRow> {
    let file = &proved.applied.execution.file;
    match proved.verified.as_ref()? {
        Ok(None) => None,
        Ok(Some(statements)) => Some(SubjectRow::new(file, true, "verified", format!("{statements} statements held"))),
        Err(failure) => Some(failure_row(failure, "verified")),
    }
}

/// A failure as a finding; what says nothing about the script (a lost connection, a full disk) is undecided.
pub fn failure_row(failure: &Failure, expected: &str) -> SubjectRow {
    let row = match failure.decides() {
        true => SubjectRow::new(failure.subject(), false, expected, failure.to_string()),
        false => SubjectRow::undecided(failure.subject(), expected, failure.to_string()),
    };
    row.with_detail(
        json!({ "sqlstate": failure.sqlstate, "line": failure.place.line, "column": failure.place.column, "statement": failure.number }),
    )
}
