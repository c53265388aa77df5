//! Opening a run, or going on with the open one.
//!
//! A ledger belongs to one target: system identifier, database oid and name of the first run decide. A run stays open until
//! its sign-off or a new run, and goes on only with the same plan, migrations and target.

use serde_json::{Map, Value};

use super::digest;
use super::engine::Engine;
use super::{RunError, Selection};
use crate::chain::{Draft, EntryType, PartDraft, Store};
use crate::checks::CHECKS;
use crate::domain::{RunId, TaskId};
use crate::pg::target::Identity;
use crate::record::{self, Attempt, Run};

/// The run that this invocation works on.
pub struct Opened {
    pub run: RunId,
    pub resumed: bool,
    /// Tasks of the last run (this one, if it goes on) whose latest attempt started and never finished, with the entry of the start.
    pub interrupted: Vec<(TaskId, u64)>,
}

/// Goes on with the open run where the selection may and everything is the same; else opens a new one, closing the old.
pub fn open(engine: &mut Engine<'_>, selection: &Selection) -> Result<Opened, RunError> {
    let before = record::read::opened(engine.store)?;
    on_its_target(engine, &before)?;
    let folder = engine.project.path(&engine.config.migrations.dir);
    // In the project's own folder (a sqitch project) lies much that is no migration, and what ledger itself writes.
    let whole_project =
        folder.canonicalize().ok().is_some_and(|folder| engine.project.root.canonicalize().is_ok_and(|root| root == folder));
    let digest = match whole_project {
        true => digest::of_files(crate::steps::scripts::files_of(&engine.project.root, &engine.config.migrations)),
        false => digest::of_folder(&folder)?,
    };
    let latest = record::read::latest(engine.store)?;
    let interrupted = latest.as_ref().map(interrupted).unwrap_or_default();
    let open = latest.filter(Run::is_open);
    if selection.continues() {
        if let Some(run) = &open {
            unchanged(run, engine.config_bytes, &digest)?;
            return Ok(Opened { run: run.id.clone(), resumed: true, interrupted });
        }
        if *selection == Selection::Resume {
            return Err(RunError::Setup { what: "there is no open run to resume".into(), hint: "ledger run opens one".into() });
        }
    }
    if let Some(run) = &open {
        close(engine.store, engine.actor, run)?;
    }
    let run = next_id(engine.environment, before.iter().map(|(id, _)| id.as_str()));
    let draft = opened(engine, &run, &digest);
    engine.store.append(draft)?;
    Ok(Opened { run, resumed: false, interrupted })
}

fn interrupted(run: &Run) -> Vec<(TaskId, u64)> {
    let last_of_its_task =
        |attempt: &Attempt| !run.attempts.iter().any(|other| other.task == attempt.task && other.started_seq > attempt.started_seq);
    let cut_off = run.attempts.iter().filter(|attempt| attempt.result.is_none() && last_of_its_task(attempt));
    cut_off.map(|attempt| (attempt.task.clone(), attempt.started_seq)).collect()
}

/// The latest run, open or not, or a new one: a rollback waits for nobody's paperwork.
pub fn latest_or_new(engine: &mut Engine<'_>) -> Result<RunId, RunError> {
    let before = record::read::opened(engine.store)?;
    on_its_target(engine, &before)?;
    match before.into_iter().next_back() {
        Some((run, _)) => Ok(run),
        None => open(engine, &Selection::All).map(|opened| opened.run),
    }
}

/// Refuses a ledger whose first run was on another target.
fn on_its_target(engine: &Engine<'_>, runs: &[(RunId, u64)]) -> Result<(), RunError> {
    let Some((_, seq)) = runs.first() else { return Ok(()) };
    let target = engine.store.entry(*seq)?.header.target.map_or(Value::Null, Value::Object);
    same_target(&target, engine.target.identity())
}

/// Refuses a ledger of another target.
pub fn same_target(pinned: &Value, identity: &Identity) -> Result<(), RunError> {
    let text = |key: &str| pinned.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let oid = pinned.get("database_oid").and_then(Value::as_u64);
    let same = text("system_identifier") == identity.system_identifier
        && text("database") == identity.database
        && oid == Some(u64::from(identity.database_oid));
    match same {
        true => Ok(()),
        false => Err(RunError::Setup {
            what: format!(
                "this ledger belongs to another target: database {} of system {}, not {} of system {}",
                text("database"),
                text("system_identifier"),
                identity.database,
                identity.system_identifier
            ),
            hint:
                "one ledger, one target: use a project folder of its own (ledger init in a new folder), or connect to the ledger's target"
                    .into(),
        }),
    }
}

fn unchanged(run: &Run, config: &[u8], migrations: &str) -> Result<(), RunError> {
    let what = if run.config_bytes != config {
        "ledger.toml has changed since the run was opened"
    } else if run.migrations_digest != migrations {
        "the migrations have changed since the run was opened"
    } else {
        return Ok(());
    };
    Err(RunError::Setup {
        what: format!("run {} cannot go on: {what}", run.id),
        hint: "ledger run opens a new run; the old one stays visible".into(),
    })
}

fn close(store: &mut Store, actor: &str, run: &Run) -> Result<(), RunError> {
    let mut draft = Draft::new(EntryType::RunClosed, actor);
    draft.run = Some(run.id.to_string());
    draft.body.insert("verdict".into(), run.judgement().verdict.to_string().into());
    store.append(draft)?;
    Ok(())
}

/// `staging_migration_20260108`, and `…-02` for the second on one day.
fn next_id<'a>(environment: &str, existing: impl Iterator<Item = &'a str>) -> RunId {
    let base = format!("{environment}_migration_{}", chrono::Utc::now().format("%Y%m%d"));
    let existing: Vec<&str> = existing.collect();
    let mut id = base.clone();
    let mut number = 1;
    while existing.contains(&id.as_str()) {
        number += 1;
        id = format!("{base}-{number:02}");
    }
    RunId::new(id)
}

fn opened(engine: &Engine<'_>, run: &RunId, migrations: &str) -> Draft {
    let mut draft = Draft::new(EntryType::RunOpened, engine.actor);
    draft.run = Some(run.to_string());
    draft.target = Some(target(engine.target.identity()));
    draft.body.insert("migrations_digest".into(), migrations.into());
    draft.body.insert("source_commit".into(), digest::source_commit(&engine.project.root).into());
    draft.body.insert("environment".into(), engine.environment.into());
    draft.parts.push(PartDraft::bytes("ledger.toml", "application/toml", engine.config_bytes.to_vec()).at("trust/ledger.toml"));
    if let Ok(signers) = std::fs::read(engine.project.root.join("allowed_signers")) {
        draft.parts.push(PartDraft::bytes("allowed_signers.txt", "text/plain", signers).at("trust/allowed_signers.UNTRUSTED"));
    }
    for check in CHECKS.iter() {
        let name = format!("{}.sql", check.code);
        let path = format!("queries/{name}");
        draft.parts.push(PartDraft::bytes(name, "application/sql", check.text.clone().into_bytes()).at(path));
    }
    draft
}

fn target(identity: &Identity) -> Map<String, Value> {
    let mut target = Map::new();
    target.insert("system_identifier".into(), identity.system_identifier.clone().into());
    target.insert("database".into(), identity.database.clone().into());
    target.insert("database_oid".into(), identity.database_oid.into());
    target.insert("server_version".into(), identity.server_version.clone().into());
    target.insert("server_time".into(), identity.server_time.clone().into());
    target.insert("lsn".into(), identity.lsn.clone().into());
    target
}
