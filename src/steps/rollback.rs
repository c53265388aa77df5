//! CE-27: the way back, tried where it harms nobody.
//!
//! 1. A scratch copy of the pre-migration backup goes up to the rollback target version and is fingerprinted: catalog and data.
//! 2. It goes up all the way, then down again by the down scripts, newest first: fingerprinted again and compared.
//! 3. Up again, verified. Witness rows are planted, the way down is taken once more, and the witnesses are looked for.
//!
//! That a down script ran proves nothing: one that does nothing runs too. What it left behind is compared.

mod judge;
mod script;
pub mod target;
mod tool;
mod trial;

use serde_json::{Value, json};

use super::{Context, StepError, StepReport, probe, unanswered};
use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::domain::product::{Product, RollbackProduct, RollbackStep};
use crate::migrate::history::NOTHING;
use crate::migrate::revert::is_above;
use crate::migrate::{Layout, Migration, MigrationSet, Script};

pub use target::{Fresh, roll_back};

/// Tries the way back.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let config = &cx.config.migrations;
    let asked = Asked::now();
    let set = MigrationSet::configured(&cx.project.root, config).map_err(|error| StepError::cannot(error.to_string()))?;
    let asked = asked.stopped();
    if let Some(command) = config.command.as_ref().filter(|_| set.layout == Layout::Command) {
        return tool::run(cx, report, &set, command).await;
    }
    let environment =
        cx.environment().ok_or_else(|| StepError::cannot("the environment task has no result in this run: nothing to go back from"))?;
    let target = target_version(cx, &set)?;
    let above: Vec<&Migration> = set.migrations.iter().filter(|m| is_above(&m.version, &target)).collect();
    cx.log.line(format!("target version {target}; above it: {}", listed(&above)));
    let script = script::sql(&target, &above, &cx.target.identity().database);
    report.attach("rollback_script.sql", "application/sql", script);

    let Some(backup) = &environment.backup else {
        documented(report, asked, &above, None)?;
        for code in judge::CODES {
            unanswered(report, code, Asked::unmeasured(), judge::WHERE, "the environment task made no backup to try it on")?;
        }
        return Ok(());
    };
    cx.progress.say("restoring the pre-migration backup into a scratch database");
    let tried = trial::run(cx, &set, &above, &target, &cx.project.path(backup.file.as_ref())).await;
    let restore_us = tried.as_ref().ok().and_then(|trial| trial.restore_us).or(backup.restore_us);
    documented(report, asked, &above, restore_us)?;
    let trial = match tried {
        Ok(trial) => {
            judge::all(report, &trial)?;
            Some(trial)
        }
        Err(error) => {
            cx.log.line(format!("the trial could not be made: {error}"));
            for code in judge::CODES {
                unanswered(report, code, Asked::unmeasured(), judge::WHERE, error.to_string())?;
            }
            None
        }
    };
    finish(report, &set, &above, target, trial.as_ref(), restore_us);
    Ok(())
}

/// Where to go back to: as configured, else the version before the deployed batch.
fn target_version(cx: &Context<'_>, set: &MigrationSet) -> Result<String, StepError> {
    if let Some(version) = &cx.config.rollback.target_version {
        if version == NOTHING {
            return Ok(NOTHING.to_owned());
        }
        return set.find(version).map(|m| m.version.clone()).ok_or_else(|| StepError::Cannot {
            what: format!("the rollback target version {version} is no migration of the folder"),
            hint: Some(
                "set [rollback] target-version in ledger.toml to one of the migrations' versions, or to \"0\": before all of them".into(),
            ),
        });
    }
    let before = cx.environment().and_then(|environment| environment.schema_version.clone());
    before.or_else(|| cx.config.migrations.baseline.clone()).ok_or_else(|| StepError::Cannot {
        what: "there is no rollback target version, and the version before the migrations is not known".into(),
        hint: Some("set target-version under [rollback] in ledger.toml".into()),
    })
}

fn listed(migrations: &[&Migration]) -> String {
    match migrations {
        [] => "nothing".to_owned(),
        some => some.iter().map(|m| m.version.as_str()).collect::<Vec<_>>().join(", "),
    }
}

fn documented(report: &mut StepReport, asked: Asked, above: &[&Migration], restore_us: Option<i64>) -> Result<(), StepError> {
    let rows = above
        .iter()
        .map(|migration| {
            let down: Option<&Script> = migration.down.as_ref();
            let observed = match (down, restore_us) {
                (Some(script), _) => script.file.clone(),
                (None, Some(us)) => format!("no down script: the only way back is the backup, restored in {:.1} s here", us as f64 / 1e6),
                (None, None) => "no down script: the only way back is the backup".to_owned(),
            };
            SubjectRow::new(&migration.up.file, down.is_some(), "a down script", observed).with_detail(json!({ "restore_us": restore_us }))
        })
        .collect();
    probe(report, "rollback-documented", asked, "files", Value::Null, rows)
}

fn finish(
    report: &mut StepReport,
    set: &MigrationSet,
    above: &[&Migration],
    target_version: String,
    trial: Option<&trial::Trial>,
    restore_us: Option<i64>,
) {
    let step = |migration: &&Migration| {
        let down = trial.and_then(|trial| trial.down.iter().find(|step| step.version == migration.version));
        RollbackStep {
            version: migration.version.clone(),
            name: migration.name.clone(),
            file: migration.down.as_ref().map(|script| script.file.clone()),
            duration_us: down.and_then(|step| step.applied.as_ref()).filter(|a| a.failure.is_none()).map(|a| a.execution.duration_us),
        }
    };
    let steps: Vec<RollbackStep> = above.iter().rev().map(step).collect();
    let complete = |steps: &[RollbackStep]| steps.iter().map(|step| step.duration_us).sum::<Option<i64>>().filter(|_| !steps.is_empty());
    let again = trial.filter(|trial| trial.again.len() == above.len() && trial.again.iter().all(|proved| proved.holds()));
    let product = RollbackProduct {
        from_version: set.last_version().unwrap_or_default().to_owned(),
        target_version,
        down_us: complete(&steps),
        up_again_us: again.map(|trial| trial.again.iter().map(|proved| proved.applied.execution.duration_us).sum()),
        differences: trial.map(judge::differences).unwrap_or_default(),
        restore_us,
        no_way_back: above.iter().filter(|m| m.down.is_none()).map(|m| m.version.clone()).collect(),
        steps,
    };
    report.headline = match (product.down_us, product.differences.as_slice()) {
        (Some(us), []) => format!("{} back to {} in {:.1} s, nothing lost", product.from_version, product.target_version, us as f64 / 1e6),
        (Some(_), some) => format!("{} back to {}: {} differences", product.from_version, product.target_version, some.len()),
        (None, _) => format!("{} to {}: the way back was not gone to its end", product.from_version, product.target_version),
    };
    let checks: Vec<Value> =
        report.evidence.iter().map(|e| json!({ "check": e.check, "outcome": e.outcome, "asked of": e.asked_of, "rows": e.rows })).collect();
    report.attach_json("rollback_test_results.json", &json!({ "product": product, "checks": checks }));
    report.product = Some(Product::Rollback(product));
}
