//! Running one file: one transaction unless told otherwise, statements one by one, the history row with them.
//!
//! 1. The script is read and split; what cannot be run is refused before anything is sent.
//! 2. `BEGIN`, the session's settings and the first statements go out together: a failed statement makes the server refuse the
//!    rest of the transaction, so sending ahead costs nothing but saves a round trip for each statement.
//! 3. With the last of them go `SET CONSTRAINTS ALL IMMEDIATE`, so that a deferred violation is named before the commit, the history row,
//!    and `COMMIT`, which in a failed transaction is a rollback (PostgreSQL manual, COMMIT; protocol, "Pipelining").
//!
//! `row_security = off`: on a table with forced row security a data migration raises instead of touching no row
//! (PostgreSQL manual, `row_security`).

mod runner;

use std::time::Instant;

use chrono::{SecondsFormat, Utc};

use super::failure::Failure;
use super::history;
use super::layout::{Migration, MigrationSet, Script, compare};
use super::split::{Survey, decode};
use super::trace::{FileTrace, Tracer};
use crate::domain::product::{FileExecution, StatementExecution};
use crate::pg::{PgError, Session};
use runner::Runner;

/// How files are run.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Recorded in the history.
    pub run: String,
    /// 0: none.
    pub lock_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    /// For statements that wait for other transactions, such as CREATE INDEX CONCURRENTLY; it replaces both limits.
    pub concurrently_timeout_ms: u64,
    /// Whether the history is written. Not for files that are only tried.
    pub history: bool,
}

impl ApplyOptions {
    /// The configured limits.
    pub fn of(config: &crate::config::Migrations, run: &str) -> Self {
        Self {
            run: run.to_owned(),
            lock_timeout_ms: config.lock_timeout_ms,
            statement_timeout_ms: config.statement_timeout_ms,
            concurrently_timeout_ms: config.concurrently_timeout_ms,
            history: true,
        }
    }
}

/// What running a file came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub execution: FileExecution,
    /// `None`: it is applied.
    pub failure: Option<Failure>,
}

/// Up to here every statement of a file is recorded by itself; then equal ones that follow each other are told as one.
const SINGLY: usize = 1_000;

/// Hears of statements as they finish; for logs and progress.
pub type Observer<'a> = &'a mut dyn FnMut(&StatementExecution);

/// What is done after the last statement, in the file's own transaction.
pub(super) enum Then<'a> {
    Record(&'a Migration),
    Forget(&'a Migration),
    Nothing,
}

/// Runs one migration's way up. The session must be read-write; its settings are reset to the role's and database's own, so that
/// no file inherits what another left behind.
pub async fn apply_file(session: &Session, migration: &Migration, options: &ApplyOptions, observer: Observer<'_>) -> Applied {
    apply_traced(session, migration, options, None, observer).await
}

/// [`apply_file`], its locks looked at by a tracer beside the session.
pub async fn apply_traced(
    session: &Session,
    migration: &Migration,
    options: &ApplyOptions,
    tracer: Option<&Tracer>,
    observer: Observer<'_>,
) -> Applied {
    let then = if options.history { Then::Record(migration) } else { Then::Nothing };
    let named = (migration.version.as_str(), migration.name.as_str());
    run_script(session, &migration.up, named, migration.transactional, options, then, tracer, observer).await
}

/// Makes the history table if needed and applies everything up to `version` that is not applied yet (`None`: everything), stopping
/// at the first failure. For making a database of a known version; execution on the target has more around it.
pub async fn apply_to(
    session: &Session,
    set: &MigrationSet,
    version: Option<&str>,
    options: &ApplyOptions,
) -> Result<Vec<Applied>, PgError> {
    if let Some(why) = set.layout.read_only() {
        return Err(PgError::other(why));
    }
    history::ensure(session, set, None).await?;
    let state = history::schema_state(session, set, None).await?;
    let mut done = Vec::new();
    for migration in &set.migrations {
        if version.is_some_and(|version| compare(&migration.version, version).is_gt()) || state.has(&migration.version) {
            continue;
        }
        let applied = apply_file(session, migration, options, &mut |_| {}).await;
        let failed = applied.failure.is_some();
        done.push(applied);
        if failed {
            break;
        }
    }
    Ok(done)
}

/// Runs any script of a migration as its way up is run.
#[expect(clippy::too_many_arguments, reason = "one call for each of three kinds of script; a struct would be built and taken apart there")]
pub(super) async fn run_script(
    session: &Session,
    script: &Script,
    (version, name): (&str, &str),
    transactional: bool,
    options: &ApplyOptions,
    then: Then<'_>,
    tracer: Option<&Tracer>,
    observer: Observer<'_>,
) -> Applied {
    let started = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    let clock = Instant::now();
    let mut done = Done::default();
    let failure = match readable(script) {
        Err(failure) => Some(failure),
        Ok(text) => {
            let runner = Runner { session, file: &script.file, text, options, then };
            let result = match transactional {
                true => runner.in_one_transaction(&mut done, tracer, observer).await,
                false => runner.one_by_one(&mut done, tracer, observer).await,
            };
            result.err()
        }
    };
    let duration_us = micros(clock);
    if let Some((trace, ended)) = done.trace.take()
        && let Some(tracer) = tracer
    {
        done.traced = trace.tell(tracer, &mut done.statements, ended).await.is_ok();
    }
    let execution = FileExecution {
        version: version.to_owned(),
        name: name.to_owned(),
        file: script.file.clone(),
        started,
        duration_us,
        attempts: 1,
        tries: Vec::new(),
        applied: failure.is_none(),
        statements: done.statements,
        traced: done.traced,
        resumed: done.resumed,
        waits: Vec::new(),
        changes: Vec::new(),
        error: failure.as_ref().map(ToString::to_string),
    };
    Applied { execution, failure }
}

fn readable(script: &Script) -> Result<&str, Failure> {
    let text = decode(&script.bytes).map_err(|refusal| Failure::refused(&script.file, &refusal))?;
    match Survey::of(&script.bytes).refusals.first() {
        Some(refusal) => Err(Failure::refused(&script.file, refusal)),
        None => Ok(text),
    }
}

/// What was done of a file so far.
#[derive(Default)]
struct Done {
    statements: Vec<StatementExecution>,
    /// How many statements ran.
    ran: u64,
    /// The trace of a file in one transaction, and when that ended.
    trace: Option<(FileTrace, Instant)>,
    traced: bool,
    resumed: u64,
}

impl Done {
    /// Records a statement, tells of it unless it is one of many equal ones, and gives its position.
    fn push(&mut self, execution: StatementExecution, observer: &mut dyn FnMut(&StatementExecution)) -> usize {
        self.ran += 1;
        match self.statements.last_mut() {
            Some(last) if self.ran > SINGLY as u64 && last.what == execution.what => {
                last.times += 1;
                last.duration_us += execution.duration_us;
                last.rows = last.rows.zip(execution.rows).map(|(a, b)| a + b);
            }
            _ => {
                observer(&execution);
                self.statements.push(execution);
            }
        }
        self.statements.len() - 1
    }
}

pub(super) fn micros(clock: Instant) -> i64 {
    i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX)
}
