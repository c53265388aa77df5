//! The emergency path: the same way back on the target itself.
//!
//! 1. Every version above the target version must have a down script, or nothing is begun.
//! 2. Under the advisory lock, a fresh backup; without it nothing is begun.
//! 3. The down scripts, newest first, each in its transaction with its row of the history; the first failure ends it.
//! 4. What version the target then is at is read from it, and the verify script of that version is run.

use chrono::Utc;
use serde_json::{Value, json};

use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::domain::product::{Product, RollbackProduct, RollbackStep};
use crate::migrate::layout::same;
use crate::migrate::lock::{LockError, RunnerLock};
use crate::migrate::revert::{Reverted, revert_one, way_back};
use crate::migrate::verify::verify;
use crate::migrate::{ApplyOptions, Migration, MigrationSet, SchemaState, history};
use crate::pg::Access;
use crate::pg::dump::Tools;
use crate::steps::scripts::{applied_row, failure_row, ran};
use crate::steps::{Context, StepError, StepReport, probe};

/// How long another runner is waited for: less than elsewhere, this is an emergency.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Rolls the target back to `version`. The caller has made sure that this is wanted (the database's name, typed).
pub async fn roll_back(cx: &Context<'_>, version: &str, report: &mut StepReport) -> Result<(), StepError> {
    let config = &cx.config.migrations;
    let set = MigrationSet::configured(&cx.project.root, config).map_err(|error| StepError::cannot(error.to_string()))?;
    if set.find(version).is_none() && !same(version, "0") {
        return Err(StepError::Cannot {
            what: format!("version {version} is no migration of the folder"),
            hint: Some("name one of the versions that `ledger plan` lists".into()),
        });
    }
    if let Some(why) = set.layout.read_only() {
        return Err(StepError::cannot(why));
    }
    let lock = RunnerLock::take(cx.target, PATIENCE).await.map_err(|error| match error {
        LockError::Pg(error) => StepError::Pg(error),
        held @ LockError::Held { .. } => StepError::cannot(held.to_string()),
    })?;
    let result = locked(cx, version, &set, report).await;
    if let Err(error) = lock.release().await {
        cx.log.line(format!("the advisory lock's session was lost: {error}"));
    }
    result
}

async fn locked(cx: &Context<'_>, version: &str, set: &MigrationSet, report: &mut StepReport) -> Result<(), StepError> {
    let config = &cx.config.migrations;
    let eyes = cx.target.session(Access::ReadOnly).await?;
    let state = history::schema_state(&eyes, set, config.baseline.as_deref()).await?;
    drop(eyes);
    let SchemaState::History(_) = &state else {
        return Err(StepError::cannot("the target has no migration history: there is nothing that ledger applied and could revert"));
    };
    let back = way_back(set, version, |version| state.has(version));
    let from_version = state.version().unwrap_or_default().to_owned();
    if back.is_empty() {
        return Err(StepError::cannot(format!("nothing above version {version} is applied: the target is at {from_version}")));
    }
    super::documented(report, Asked::unmeasured(), &back, None)?;
    if let Some(without) = back.iter().find(|m| m.down.is_none()) {
        return Err(StepError::Cannot {
            what: format!("version {} has no down script; nothing was reverted", without.version),
            hint: Some("restore the pre-migration backup; ROLLBACK_PROCEDURE.md has the commands".into()),
        });
    }
    backup_first(cx, report).await?;

    let session = cx.target.session(Access::ReadWrite).await?;
    let options = ApplyOptions::of(config, cx.run.as_str());
    let mut steps: Vec<Reverted> = Vec::new();
    for migration in &back {
        cx.progress.say(&format!("reverting {}", migration.version));
        let step = revert_one(&session, migration, &options, &mut |statement| {
            cx.log.line(format!("line {} statement {} {}: {} us", statement.line, statement.number, statement.what, statement.duration_us));
        })
        .await;
        let done = step.done();
        if let Some(applied) = &step.applied {
            cx.log.line(match &applied.failure {
                None => format!("{} reverted in {} us", applied.execution.file, applied.execution.duration_us),
                Some(failure) => format!("FAILED {failure}"),
            });
        }
        steps.push(step);
        if !done {
            break;
        }
    }
    drop(session);
    let rows = steps.iter().filter_map(|step| step.applied.as_ref()).map(applied_row).collect();
    let asked = ran(steps.iter().filter_map(|step| step.applied.as_ref()));
    probe(report, "rollback-runs", asked, "target", Value::Null, rows)?;
    reached(cx, report, set, version).await?;
    finish(report, &back, &steps, from_version, version);
    Ok(())
}

async fn backup_first(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let asked = Asked::now();
    cx.progress.say("backing up the target before anything is reverted");
    let file = cx.project.path(&cx.config.backup.dir).join(format!("pre_rollback_{}.dump", Utc::now().format("%Y%m%dT%H%M%S%3fZ")));
    let shown = cx.project.shown(&file);
    let tools = Tools::find(cx.target.major(), &cx.config.backup)?;
    let facts = tools.dump(cx.target, &file, &shown, &cx.config.backup).await?;
    cx.log.line(format!("backup {shown}: {} bytes, sha256 {}, {} us", facts.bytes, facts.sha256, facts.dump_us));
    let observed = format!("{} bytes, {} entries, sha256 {}", facts.bytes, facts.toc_entries, facts.sha256);
    let row = SubjectRow::new(shown, facts.toc_entries > 0, "a dump with contents", observed);
    probe(report, "rollback-backed-up", asked, "target", Value::Null, vec![row])?;
    report.attach_json("pre_rollback_backup_metadata.json", &facts);
    Ok(())
}

async fn reached(cx: &Context<'_>, report: &mut StepReport, set: &MigrationSet, version: &str) -> Result<(), StepError> {
    let asked = Asked::now();
    let eyes = cx.target.session(Access::ReadOnly).await?;
    let state = history::schema_state(&eyes, set, None).await?;
    let now = state.version().unwrap_or("0");
    cx.log.line(format!("schema version after the way back: {now}"));
    let mut rows = vec![SubjectRow::new("schema version", same(now, version), version, now)];
    if let Some(migration) = set.find(now) {
        match verify(&eyes, migration).await {
            Ok(None) => {}
            Ok(Some(statements)) => {
                rows.push(SubjectRow::new(&migration.up.file, true, "verified", format!("{statements} statements held")))
            }
            Err(failure) => rows.push(failure_row(&failure, "verified")),
        }
    }
    report.attach("schema_version_after.txt", "text/plain", format!("{now}\n"));
    probe(report, "rollback-reached", asked, "target", json!({ "version": version }), rows)
}

fn finish(report: &mut StepReport, back: &[&Migration], steps: &[Reverted], from_version: String, version: &str) {
    let steps: Vec<RollbackStep> = back
        .iter()
        .map(|migration| {
            let applied = steps.iter().find(|step| step.version == migration.version).and_then(|step| step.applied.as_ref());
            RollbackStep {
                version: migration.version.clone(),
                name: migration.name.clone(),
                file: migration.down.as_ref().map(|script| script.file.clone()),
                duration_us: applied.filter(|a| a.failure.is_none()).map(|a| a.execution.duration_us),
            }
        })
        .collect();
    let down_us = steps.iter().map(|step| step.duration_us).sum::<Option<i64>>();
    report.headline = match down_us {
        Some(us) => format!("{from_version} back to {version} in {:.1} s", us as f64 / 1e6),
        None => format!("{from_version} towards {version}: stopped on the way"),
    };
    report.product = Some(Product::Rollback(RollbackProduct {
        from_version,
        target_version: version.to_owned(),
        steps,
        down_us,
        up_again_us: None,
        differences: Vec::new(),
        restore_us: None,
        no_way_back: Vec::new(),
    }));
}
