//! CE-22: the migrations run on the target. The one step that commits to it.
//!
//! 1. The files are read again; unless they are, byte for byte, what the scripts task examined, nothing is run.
//! 2. An advisory lock keeps other runners out; catalog and version are read.
//! 3. File by file: run (a transaction each, retried on lock trouble alone), recorded in the history with it, verified. The first failure
//!    ends it, and what then stays is read from the database, not guessed; after a lost connection when nothing of it is at work any more.
//! 4. After: version, history, invalid indexes, what changed in the catalog; a backup, restored and compared.

mod after;
mod command;
mod pending;
mod settled;

use std::time::Duration;

use super::{Context, StepError, StepReport};
use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::domain::product::{ExecuteProduct, FileExecution, Product};
use crate::migrate::lock::{LockError, RunnerLock};
use crate::migrate::rehearse::{Proved, prove};
use crate::migrate::waits::{Waits, process_of};
use crate::migrate::{ApplyOptions, Layout, Migration, MigrationSet, SchemaState, Tracer, history};
use crate::pg::{Access, Catalog};

/// How long another runner is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of running the files.
struct Ran<'a> {
    set: &'a MigrationSet,
    /// How far is to be gone; `None`: to the end.
    up_to: Option<&'a str>,
    pending: Vec<&'a Migration>,
    /// Applied by this run in an earlier attempt.
    earlier: Vec<&'a Migration>,
    proved: Vec<Proved>,
    /// Why no further file was begun, where that was none of the files' doing.
    stopped: Option<String>,
}

impl Ran<'_> {
    /// All pending files are applied and verified.
    fn completed(&self) -> bool {
        self.proved.len() == self.pending.len() && self.proved.iter().all(Proved::holds)
    }
}

/// Runs the migrations.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let config = &cx.config.migrations;
    let examined = cx.scripts().ok_or_else(|| StepError::Cannot {
        what: "the migration scripts were not examined in this run".into(),
        hint: Some("run the scripts task first: ledger run".into()),
    })?;
    let asked = Asked::now();
    let set = MigrationSet::configured(&cx.project.root, config).map_err(|error| StepError::cannot(error.to_string()))?;
    let command =
        config.command.as_ref().filter(|own| !own.up.is_empty() && (set.layout == Layout::Command || set.layout.read_only().is_some()));
    if let (Some(why), None) = (set.layout.read_only(), command) {
        return Err(StepError::cannot(why));
    }

    let lock = match RunnerLock::take(cx.target, PATIENCE).await {
        Ok(lock) => lock,
        Err(LockError::Pg(error)) => return Err(error.into()),
        Err(held @ LockError::Held { .. }) => {
            let hint = "wait for the other run, or end its session if it is dead, then run this task again".to_owned();
            return Err(StepError::Cannot { what: held.to_string(), hint: Some(hint) });
        }
    };
    let result = match command {
        Some(command) => command::run(cx, report, examined, &set, command).await,
        None => locked(cx, report, examined, &set, (asked, &lock)).await,
    };
    // Released by the session's end in any case; an error here changes nothing of what was established.
    if let Err(error) = lock.release().await {
        cx.log.line(format!("the advisory lock's session was lost: {error}"));
    }
    result
}

async fn locked(
    cx: &Context<'_>,
    report: &mut StepReport,
    examined: &crate::domain::product::ScriptsProduct,
    set: &MigrationSet,
    (asked, lock): (Asked, &RunnerLock),
) -> Result<(), StepError> {
    let baseline = cx.config.migrations.baseline.as_deref();
    let excluded = cx.not_the_applications();

    let eyes = cx.target.session(Access::ReadOnly).await?;
    let before = history::schema_state(&eyes, set, baseline).await?;
    let schema_before = before.version().map(str::to_owned);
    report.attach("schema_version_before.txt", "text/plain", format!("{}\n", schema_before.as_deref().unwrap_or("unknown")));
    cx.log.line(format!("schema version before: {}", schema_before.as_deref().unwrap_or("unknown")));
    let (pending, earlier) = pending::find(set, &before, cx.run.as_str(), cx.config.migrations.target_version.as_deref());
    if before == SchemaState::Unknown {
        return Err(StepError::Cannot {
            what: "the target has no migration history, and no baseline is set".into(),
            hint: Some("set `baseline = \"001\"` under [migrations] in ledger.toml (the version it is at), then: ledger run".into()),
        });
    }
    let as_examined = pending::files_as_examined(report, asked, examined, &pending, &earlier)?;
    let up_to = cx.config.migrations.target_version.as_deref();
    let mut ran = Ran { set, up_to, pending, earlier, proved: Vec::new(), stopped: None };
    if !as_examined {
        not_run(report, &ran, "the files are not those that were examined")?;
        finish(report, &ran, schema_before.clone(), schema_before, Vec::new(), None);
        return Ok(());
    }
    let catalog_before = Catalog::read(&eyes, &excluded).await?;
    drop(eyes);

    if !ran.pending.is_empty() {
        let session = cx.target.session(Access::ReadWrite).await?;
        history::ensure(&session, set, baseline).await?;
        let process = settled::Process::of(&session).await.map_err(|error| cx.log.line(format!("own process not known: {error}"))).ok();
        apply_all(cx, &session, lock, &mut ran).await;
        if let Some(lost) = ran.proved.iter().filter_map(Proved::failure).find(|failure| failure.disconnected) {
            drop(session);
            settled::settled(cx, process.as_ref(), &lost.to_string()).await?;
        }
    }
    // A new session: the one that ran the files may be gone, and what it said last need not be what the server did.
    let eyes = cx.target.session(Access::ReadOnly).await?;
    let asked = Asked::now();
    let after_state = history::schema_state(&eyes, set, baseline).await?;
    let history_read = asked.stopped();
    let schema_after = after_state.version().map(str::to_owned);
    report.attach("schema_version_after.txt", "text/plain", format!("{}\n", schema_after.as_deref().unwrap_or("unknown")));
    cx.log.line(format!("schema version after: {}", schema_after.as_deref().unwrap_or("unknown")));
    pending::applied(cx, report, &ran, &after_state)?;
    if ran.pending.is_empty() && ran.earlier.is_empty() {
        finish(report, &ran, schema_before, schema_after, Vec::new(), None);
        return Ok(());
    }
    pending::verified(&eyes, report, &ran).await?;

    let catalog_after = Catalog::read(&eyes, &excluded).await?;
    let changes: Vec<String> = catalog_before.diff(&catalog_after).iter().map(ToString::to_string).collect();
    for change in &changes {
        cx.log.line(format!("catalog: {change}"));
    }
    after::consistent(&eyes, report, &ran, (&after_state, &history_read)).await?;
    let backup = match ran.completed() {
        true => after::backup(cx, report, &catalog_after, schema_after.as_deref()).await?,
        false => after::no_backup(report, "the migrations did not complete")?,
    };
    finish(report, &ran, schema_before, schema_after, changes, backup);
    Ok(())
}

async fn apply_all(cx: &Context<'_>, session: &crate::pg::Session, lock: &RunnerLock, ran: &mut Ran<'_>) {
    let config = &cx.config.migrations;
    let options = ApplyOptions::of(config, cx.run.as_str());
    let total = ran.pending.len();
    let watcher = match (cx.target.session(Access::ReadOnly).await, process_of(session).await) {
        (Ok(eyes), Ok(process)) => Some(Waits::of(eyes, process)),
        (Err(error), _) | (_, Err(error)) => {
            cx.log.line(format!("lock waits are not watched: {error}"));
            None
        }
    };
    let tracer = match config.trace {
        false => None,
        true => Tracer::beside(cx.target, session).await.map_err(|error| cx.log.line(format!("locks are not traced: {error}"))).ok(),
    };
    for (index, migration) in ran.pending.iter().enumerate() {
        // Without the lock another runner may be at work on the same files.
        if let Err(error) = lock.still_held().await {
            cx.log.line(format!("the session of the migration lock was lost before {}: {error}", migration.up.file));
            ran.stopped = Some(format!("the session that held the migration lock was lost: {error}"));
            break;
        }
        cx.progress.say(&format!("{}/{total} {}", index + 1, migration.up.file));
        cx.log.line(format!("{} begins, sha256 {}", migration.up.file, migration.up.sha256));
        let mut log = |line| cx.log.line(line);
        let work = prove(session, migration, &options, (config.retries, tracer.as_ref()), &mut log);
        let mut proved = match &watcher {
            Some(watcher) => {
                watcher
                    .watched(work, &|line| {
                        cx.progress.say(&format!("{}: {line}", migration.up.file));
                        cx.log.line(format!("{}: {line}", migration.up.file));
                    })
                    .await
            }
            None => work.await,
        };
        proved.applied.execution.waits = watcher.as_ref().map(Waits::take).unwrap_or_default();
        log_locks(cx, &proved.applied.execution);
        let stop = !proved.holds();
        ran.proved.push(proved);
        if stop {
            break;
        }
    }
}

/// The locks that somebody could have waited for, one line each.
fn log_locks(cx: &Context<'_>, file: &FileExecution) {
    for statement in &file.statements {
        for lock in statement.locks.iter().filter(|lock| lock.mode.blocks_anything()) {
            cx.log.line(format!(
                "{}:{} {} on {} {} for {:.3} s: {} wait",
                file.file,
                statement.line,
                lock.mode,
                lock.kind,
                lock.relation,
                lock.held_us as f64 / 1e6,
                lock.mode.blocks().join(", ")
            ));
        }
    }
}

/// Every other check is Unknown when nothing was run.
fn not_run(report: &mut StepReport, ran: &Ran<'_>, why: &str) -> Result<(), StepError> {
    let rows = ran.pending.iter().map(|m| SubjectRow::undecided(&m.up.file, "applied", format!("not run: {why}"))).collect();
    super::probe(report, "migrations-applied", Asked::unmeasured(), "target", serde_json::Value::Null, rows)
}

fn finish(
    report: &mut StepReport,
    ran: &Ran<'_>,
    schema_before: Option<String>,
    schema_after: Option<String>,
    catalog_changes: Vec<String>,
    backup: Option<crate::domain::product::BackupFacts>,
) {
    let completed = ran.completed() && !(ran.pending.is_empty() && ran.earlier.is_empty());
    let files: Vec<FileExecution> = ran.proved.iter().map(|proved| proved.applied.execution.clone()).collect();
    report.headline = match (files.is_empty(), completed) {
        (true, true) => "applied earlier in this run".into(),
        (true, false) => "nothing was run".into(),
        (false, _) => files
            .iter()
            .map(|file| match file.applied {
                true => format!("{} {:.1}s", file.version, file.duration_us as f64 / 1e6),
                false => format!("{} failed", file.version),
            })
            .collect::<Vec<_>>()
            .join(" · "),
    };
    report.product = Some(Product::Execute(ExecuteProduct { completed, schema_before, schema_after, files, catalog_changes, backup }));
}
