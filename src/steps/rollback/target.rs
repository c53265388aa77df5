//! The emergency path: the same way back on the target itself.
//!
//! 1. Every version above the target version must have a down script, or nothing is begun.
//! 2. Under the advisory lock, a fresh backup, restored into a scratch database and compared; without it nothing is begun. Who cannot wait for that may
//!    say so, and the entry says that it was not restored.
//! 3. The down scripts, newest first, each in its transaction with its row of the history; the first failure ends it.
//! 4. What version the target then is at is read from it, and the verify script of that version is run. Where the backup from before the
//!    migrations is of that version, the target's catalog is held against it.

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
use crate::pg::dump::Tools;
use crate::pg::{Access, Catalog, PgError, Target};
use crate::steps::backup::{Backed, proven};
use crate::steps::scripts::{applied_row, failure_row, ran};
use crate::steps::{Context, StepError, StepReport, probe, unanswered};

/// How long another runner is waited for: less than elsewhere, this is an emergency.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What the fresh backup must show before anything is reverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// It was restored, and the copy is equal.
    Restored,
    /// It was made.
    Made,
}

/// Rolls the target back to `version`. The caller has made sure that this is wanted (the database's name, typed).
pub async fn roll_back(cx: &Context<'_>, version: &str, fresh: Fresh, report: &mut StepReport) -> Result<(), StepError> {
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
    let result = locked(cx, version, &set, fresh, report).await;
    if let Err(error) = lock.release().await {
        cx.log.line(format!("the advisory lock's session was lost: {error}"));
    }
    result
}

async fn locked(cx: &Context<'_>, version: &str, set: &MigrationSet, fresh: Fresh, report: &mut StepReport) -> Result<(), StepError> {
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
    let restore_us = backup_first(cx, fresh, report).await?;

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
    if reached(cx, report, set, version).await? {
        as_before(cx, report, set, version).await?;
    }
    finish(report, &back, &steps, from_version, version, restore_us);
    Ok(())
}

/// Makes the backup, and restores it unless that is not wanted. Gives the time of the restore.
async fn backup_first(cx: &Context<'_>, fresh: Fresh, report: &mut StepReport) -> Result<Option<i64>, StepError> {
    let asked = Asked::now();
    cx.progress.say("backing up the target before anything is reverted");
    let file = cx.project.path(&cx.config.backup.dir).join(format!("pre_rollback_{}.dump", Utc::now().format("%Y%m%dT%H%M%S%3fZ")));
    let shown = cx.project.shown(&file);
    let tools = Tools::find(cx.target.major(), &cx.config.backup)?;
    let told = |news: &str| cx.progress.say(news);
    let (facts, source) = tools.dump_whole(cx.target, &file, &shown, &cx.config.backup, &told).await?;
    cx.log.line(format!("backup {shown}: {} bytes, sha256 {}, {} us", facts.bytes, facts.sha256, facts.dump_us));
    let observed = format!("{} bytes, {} entries, sha256 {}", facts.bytes, facts.toc_entries, facts.sha256);
    let mut rows = vec![SubjectRow::new(&shown, facts.toc_entries > 0, "a dump with contents", observed)];
    let mut backed = Backed { facts, source, file, holds: false };
    let expected = "restores, and the copy is equal";
    let mut why = None;
    match fresh {
        Fresh::Made => {
            rows.push(SubjectRow::undecided(&shown, expected, "not restored, as was asked: nothing is known about what it would give back"))
        }
        Fresh::Restored => {
            cx.progress.say("restoring the fresh backup");
            match proven(cx, &mut backed).await {
                Ok(compared) if backed.holds => {
                    let time = backed.facts.restore_us.unwrap_or_default() as f64 / 1e6;
                    rows.push(SubjectRow::new(
                        &shown,
                        true,
                        expected,
                        format!("restored in {time:.1} s, {} subjects equal", compared.len()),
                    ));
                }
                Ok(compared) => {
                    rows.extend(compared.into_iter().filter(|row| row.ok != Some(true)));
                    why = Some("the fresh backup is not equal to the target once it is restored".to_owned());
                }
                Err(error) => {
                    rows.push(SubjectRow::undecided(&shown, expected, error.to_string()));
                    why = Some(format!("the fresh backup could not be restored: {error}"));
                }
            }
        }
    }
    probe(report, "rollback-backed-up", asked, "target", Value::Null, rows)?;
    report.attach_json("pre_rollback_backup_metadata.json", &backed.facts);
    match why {
        None => Ok(backed.facts.restore_us),
        Some(why) => Err(StepError::Cannot {
            what: format!("{why}; nothing was reverted"),
            hint: Some(
                "mend that; where it cannot wait, ledger rollback --without-restoring goes on with a backup that nobody restored".into(),
            ),
        }),
    }
}

/// Holds the target's catalog against the backup from before the migrations, where that is of this version.
async fn as_before(cx: &Context<'_>, report: &mut StepReport, set: &MigrationSet, version: &str) -> Result<(), StepError> {
    let Some(environment) = cx.environment() else { return Ok(()) };
    let Some(backup) =
        environment.backup.as_ref().filter(|_| environment.schema_version.as_deref().is_some_and(|then| same(then, version)))
    else {
        return Ok(());
    };
    const WHERE: &str = "target against scratch: the backup from before the migrations";
    cx.progress.say("comparing the target with the backup from before the migrations");
    let asked = Asked::now();
    let compared = async {
        let (copy, _) = cx.scratch.copy_of(&cx.project.path(backup.file.as_ref()), "before").await?;
        let catalogs = async {
            history::ensure(&copy.session(Access::ReadWrite).await?, set, cx.config.migrations.baseline.as_deref()).await?;
            Ok::<_, PgError>((catalog(cx, copy.target()).await?, catalog(cx, cx.target).await?))
        };
        let catalogs = catalogs.await;
        cx.scratch.drop_db(copy).await?;
        catalogs
    };
    match compared.await {
        Ok((before, after)) => super::judge::catalogs(report, WHERE, &asked.stopped(), &before, &after),
        Err(error) => unanswered(report, "rollback-restores-catalog", asked, WHERE, error.to_string()),
    }
}

async fn catalog(cx: &Context<'_>, of: &Target) -> Result<Catalog, PgError> {
    let mut excluded = cx.config.backup.exclude_schemas.clone();
    excluded.push("ledger".to_owned());
    Ok(Catalog::read(&of.session(Access::ReadOnly).await?, &excluded).await?.as_dumped())
}

/// Asks the target where it is. Gives whether that is where it was to go.
async fn reached(cx: &Context<'_>, report: &mut StepReport, set: &MigrationSet, version: &str) -> Result<bool, StepError> {
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
    probe(report, "rollback-reached", asked, "target", json!({ "version": version }), rows)?;
    Ok(same(now, version))
}

fn finish(report: &mut StepReport, back: &[&Migration], steps: &[Reverted], from_version: String, version: &str, restore_us: Option<i64>) {
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
        restore_us,
        no_way_back: Vec::new(),
    }));
}
