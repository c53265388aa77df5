//! The way back of a tool whose files are not read: its own way down, tried in a scratch copy and judged as down scripts are.

use serde_json::{Value, json};

use super::judge;
use super::trial::{Trial, snapshot, witnessed};
use crate::checks::ask::Asked;
use crate::config::MigrationCommand;
use crate::domain::SubjectRow;
use crate::domain::product::{Product, RollbackProduct, RollbackStep};
use crate::migrate::MigrationSet;
use crate::migrate::rehearse::Proved;
use crate::migrate::revert::Reverted;
use crate::pg::{PgError, Target};
use crate::steps::runner::{self, Back};
use crate::steps::{Context, StepError, StepReport, probe, unanswered};

/// Tries it, if the configuration says how the tool goes back.
pub async fn run(cx: &Context<'_>, report: &mut StepReport, set: &MigrationSet, command: &MigrationCommand) -> Result<(), StepError> {
    let (up, down) = (command.up.join(" "), command.down.join(" "));
    let environment =
        cx.environment().ok_or_else(|| StepError::cannot("the environment task has no result in this run: nothing to go back from"))?;
    let backup = environment.backup.as_ref();
    let restore_us = backup.and_then(|backup| backup.restore_us);
    let documented = match (down.is_empty(), restore_us) {
        (false, _) => SubjectRow::new(&up, true, "a way down", &down),
        (true, us) => {
            let restored = us.map(|us| format!(", restored in {:.1} s here", us as f64 / 1e6)).unwrap_or_default();
            let observed = format!("no `down` under [migrations.command]: the only way back is the backup{restored}");
            SubjectRow::new(&up, false, "a way down", observed)
        }
    };
    probe(report, "rollback-documented", Asked::unmeasured(), "ledger.toml", Value::Null, vec![documented])?;
    let open = |report: &mut StepReport, why: &str| {
        judge::CODES.iter().try_for_each(|code| unanswered(report, code, Asked::unmeasured(), judge::WHERE, why))
    };
    let tried = match backup {
        _ if down.is_empty() => {
            report.headline = "no way down is configured".into();
            return open(report, "there is no `down` under [migrations.command]: it says how the tool goes back one step");
        }
        None => return open(report, "the environment task made no backup to try it on"),
        Some(backup) => in_copy(cx, set, command, &cx.project.path(backup.file.as_ref())).await,
    };
    let trial = match tried {
        Ok(trial) => trial,
        Err(error) => {
            cx.log.line(format!("the trial could not be made: {error}"));
            return open(report, &error.to_string());
        }
    };
    judge::all(report, &trial)?;
    let differences = judge::differences(&trial);
    let step = trial.down.first();
    let down_us = step.and_then(|step| step.applied.as_ref()).filter(|a| a.failure.is_none()).map(|a| a.execution.duration_us);
    let from_version = step.map(|step| step.version.clone()).unwrap_or_default();
    let target_version = environment.schema_version.clone().unwrap_or_else(|| "nothing".into());
    report.headline = match (down_us, differences.len()) {
        (Some(us), 0) => format!("{down}: back to {target_version} in {:.1} s, nothing lost", us as f64 / 1e6),
        (Some(_), n) => format!("{down}: back to {target_version}, {n} differences"),
        (None, _) => format!("{down}: the way back was not gone to its end"),
    };
    let product = RollbackProduct {
        steps: vec![RollbackStep { version: from_version.clone(), name: command.up.join(" "), file: Some(down), duration_us: down_us }],
        from_version,
        target_version,
        down_us,
        up_again_us: trial.again.first().filter(|proved| proved.holds()).map(|proved| proved.applied.execution.duration_us),
        differences,
        restore_us: trial.restore_us.or(restore_us),
        no_way_back: Vec::new(),
    };
    let checks: Vec<Value> =
        report.evidence.iter().map(|e| json!({ "check": e.check, "outcome": e.outcome, "asked of": e.asked_of, "rows": e.rows })).collect();
    report.attach_json("rollback_test_results.json", &json!({ "product": product, "checks": checks }));
    report.product = Some(Product::Rollback(product));
    Ok(())
}

async fn in_copy(cx: &Context<'_>, set: &MigrationSet, command: &MigrationCommand, backup: &std::path::Path) -> Result<Trial, StepError> {
    let (db, restore_us) = cx.scratch.copy_of(backup, "rollback").await?;
    let mut trial = Trial { restore_us, above: 1, ..Trial::default() };
    let result = stages(cx, set, command, db.target(), &mut trial).await;
    if let Err(error) = cx.scratch.drop_db(db).await {
        cx.log.line(format!("the scratch database is left behind: {error}"));
    }
    result.map(|()| trial)
}

async fn stages(
    cx: &Context<'_>,
    set: &MigrationSet,
    command: &MigrationCommand,
    copy: &Target,
    trial: &mut Trial,
) -> Result<(), StepError> {
    let mut log = |line: &str| cx.log.line(format!("scratch: {line}"));
    let say = |line: String| cx.progress.say(&line);
    let at = (set, copy);
    let mut at_target = snapshot(cx, set, copy, None).await?;
    forget_history(&mut at_target, command);
    let columns = at_target.columns.clone();
    trial.at_target = Some(at_target);

    say("the team's tool goes up".into());
    let up = runner::run(cx, command, &command.up, at, None, &mut log).await?;
    let came = up.came();
    if !up.says_success() || came.is_empty() {
        trial.not_up = Some(format!("the way up did not run: {}; its history has {}", up.told(), up.after.version().unwrap_or("nothing")));
        return Ok(());
    }
    say("and down".into());
    let back = runner::back(cx, command, at, (&up.before, came.len()), &mut log).await?;
    trial.down = vec![reverted(&back, &came.join(", "))];
    if !trial.went_down() {
        return Ok(());
    }
    let mut after = snapshot(cx, set, copy, Some(&columns)).await?;
    forget_history(&mut after, command);
    trial.after = Some(after);

    say("and up again".into());
    let again = runner::run(cx, command, &command.up, at, None, &mut log).await?;
    let problem = match (again.says_success(), again.came() == came) {
        (true, true) => None,
        (true, false) => Some(format!("ended well, and its history now has {}", again.came().join(", "))),
        (false, _) => Some(again.told()),
    };
    let goes_on = problem.is_none();
    trial.again = vec![Proved { applied: again.as_applied(&came.join(", "), problem), verified: goes_on.then_some(Ok(None)) }];
    if !goes_on {
        return Ok(());
    }
    let once_more = async {
        let back = runner::back(cx, command, at, (&up.before, came.len()), &mut log).await;
        back.is_ok_and(|back| back.problem.is_none())
    };
    Ok::<(), PgError>(witnessed(copy, trial, &say, up.before.version().unwrap_or("nothing"), once_more).await?)?;
    Ok(())
}

/// What the tool keeps for itself is no part of what is compared.
fn forget_history(snapshot: &mut super::trial::Snapshot, command: &MigrationCommand) {
    runner::without_history(&mut snapshot.catalog, command);
    if let Some(table) = crate::migrate::history::command_table(&command.history) {
        snapshot.tables.retain(|state| state.table.replace('"', "") != table);
    }
}

/// Some steps back as one.
fn reverted(back: &Back, versions: &str) -> Reverted {
    let applied = back.runs.last().map(|last| {
        let mut applied = last.as_applied(versions, back.problem.clone());
        applied.execution.duration_us = back.runs.iter().map(runner::ToolRun::duration_us).sum();
        applied
    });
    Reverted { version: versions.to_owned(), name: back.runs.first().map(|run| run.program.clone()).unwrap_or_default(), applied }
}
