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

use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use futures_util::future::join_all;
use futures_util::{StreamExt, pin_mut};
use tokio_postgres::SimpleQueryMessage;

use super::failure::Failure;
use super::history;
use super::layout::{Migration, MigrationSet, Script, compare};
use super::split::{Split, Statement, StatementKind, decode, split_bytes};
use crate::domain::product::{FileExecution, StatementExecution};
use crate::pg::{PgError, Session};

/// How many statements, and how many bytes of them, are sent before the answer to the first is awaited.
const AHEAD_STATEMENTS: usize = 16;
const AHEAD_BYTES: usize = 64 * 1024;

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

/// Hears of statements as they finish; for logs and progress.
pub type Observer<'a> = &'a mut dyn FnMut(&StatementExecution);

/// What is done after the last statement, in the file's own transaction.
pub(super) enum Then<'a> {
    Record(&'a Migration),
    Forget(&'a str),
    Nothing,
}

/// Runs one migration's way up. The session must be read-write; its settings are reset to the role's and database's own, so that
/// no file inherits what another left behind.
pub async fn apply_file(session: &Session, migration: &Migration, options: &ApplyOptions, observer: Observer<'_>) -> Applied {
    let then = if options.history { Then::Record(migration) } else { Then::Nothing };
    run_script(session, &migration.up, (&migration.version, &migration.name), migration.transactional, options, then, observer).await
}

/// Makes the history table if needed and applies everything up to `version` that is not applied yet (`None`: everything), stopping
/// at the first failure. For making a database of a known version; execution on the target has more around it.
pub async fn apply_to(
    session: &Session,
    set: &MigrationSet,
    version: Option<&str>,
    options: &ApplyOptions,
) -> Result<Vec<Applied>, PgError> {
    history::ensure(session, set.layout, &set.migrations, None).await?;
    let state = history::schema_state(session, set.layout, None).await?;
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
pub(super) async fn run_script(
    session: &Session,
    script: &Script,
    (version, name): (&str, &str),
    transactional: bool,
    options: &ApplyOptions,
    then: Then<'_>,
    observer: Observer<'_>,
) -> Applied {
    let started = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    let clock = Instant::now();
    let mut statements = Vec::new();
    let failure = match readable(script) {
        Err(failure) => Some(failure),
        Ok((text, split)) => {
            let runner = Runner { session, file: &script.file, text, split: &split, options, then };
            let result = match transactional {
                true => runner.in_one_transaction(&mut statements, observer).await,
                false => runner.one_by_one(&mut statements, observer).await,
            };
            result.err()
        }
    };
    let execution = FileExecution {
        version: version.to_owned(),
        name: name.to_owned(),
        file: script.file.clone(),
        started,
        duration_us: micros(clock),
        attempts: 1,
        applied: failure.is_none(),
        statements,
        error: failure.as_ref().map(ToString::to_string),
    };
    Applied { execution, failure }
}

fn readable(script: &Script) -> Result<(&str, Split<'_>), Failure> {
    let text = decode(&script.bytes).map_err(|refusal| Failure::refused(&script.file, &refusal))?;
    let split = split_bytes(&script.bytes);
    match split.refusals.first() {
        Some(refusal) => Err(Failure::refused(&script.file, refusal)),
        None => Ok((text, split)),
    }
}

struct Runner<'a> {
    session: &'a Session,
    file: &'a str,
    text: &'a str,
    split: &'a Split<'a>,
    options: &'a ApplyOptions,
    then: Then<'a>,
}

/// One message's answer: rows affected, and when it was complete.
type Answer = (Result<u64, PgError>, Instant);

impl Runner<'_> {
    fn settings(&self, scope: &str) -> String {
        format!(
            "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; SET {scope} client_min_messages = warning; SET {scope} row_security = off; \
             SET {scope} lock_timeout = {}; SET {scope} statement_timeout = {}",
            self.options.lock_timeout_ms, self.options.statement_timeout_ms
        )
    }

    fn last_words(&self, execution_us: &str) -> Option<(&'static str, String)> {
        match self.then {
            Then::Record(migration) => Some(("history row", own(&history::insert(migration, &self.options.run, execution_us)))),
            Then::Forget(version) => Some(("history row", own(&history::delete(version)))),
            Then::Nothing => None,
        }
    }

    async fn in_one_transaction(&self, done: &mut Vec<StatementExecution>, observer: Observer<'_>) -> Result<(), Failure> {
        let begin = format!("BEGIN READ WRITE; {}", self.settings("LOCAL"));
        match self.statements_of_transaction(&begin, done, observer).await {
            Ok(()) => Ok(()),
            Err(failure) => {
                if !failure.disconnected {
                    // Where it failed before the last statements, the transaction is still open. A failed rollback means a lost
                    // connection, and then the server rolls back by itself.
                    let _ = self.session.batch("ROLLBACK").await;
                }
                Err(failure)
            }
        }
    }

    async fn statements_of_transaction(
        &self,
        begin: &str,
        done: &mut Vec<StatementExecution>,
        observer: Observer<'_>,
    ) -> Result<(), Failure> {
        let mut before = Some(begin);
        let mut rest = self.split.statements.as_slice();
        loop {
            let (now, later) = rest.split_at(ahead(rest));
            rest = later;
            // What closes the transaction goes out with the last statements.
            let closing: Vec<(&str, String)> = match rest.is_empty() {
                false => Vec::new(),
                true => [("deferred constraints", "SET CONSTRAINTS ALL IMMEDIATE".to_owned())]
                    .into_iter()
                    // Names of ours stay ours, whatever search path or role the file has set.
                    .chain(self.last_words(
                        "pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.transaction_timestamp()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8",
                    ))
                    .chain([("COMMIT", "COMMIT".to_owned())])
                    .collect(),
            };
            let messages = before.into_iter().chain(now.iter().map(|s| s.text)).chain(closing.iter().map(|(_, sql)| sql.as_str()));
            let sent = Instant::now();
            let answers = join_all(messages.map(|sql| answer(self.session, sql))).await;
            let mut answers = answers.into_iter();
            let mut last = sent;
            if before.take().is_some()
                && let Some((result, at)) = answers.next()
            {
                last = at;
                result.map_err(|error| Failure::around(self.file, "BEGIN", &error))?;
            }
            for (statement, (result, at)) in now.iter().zip(answers.by_ref()) {
                let rows = result.map_err(|error| Failure::of_statement(self.file, self.text, statement, &error))?;
                let execution = executed(statement, rows, at.saturating_duration_since(last));
                last = at;
                observer(&execution);
                done.push(execution);
            }
            for ((what, _), (result, _)) in closing.iter().zip(answers) {
                result.map_err(|error| Failure::around(self.file, what, &error))?;
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    async fn one_by_one(&self, done: &mut Vec<StatementExecution>, observer: Observer<'_>) -> Result<(), Failure> {
        let clock = Instant::now();
        self.around("settings", &format!("{}; SET default_transaction_read_only = off", self.settings("SESSION"))).await?;
        for statement in &self.split.statements {
            let waits = statement.kind == StatementKind::Concurrently;
            if waits {
                let limit = self.options.concurrently_timeout_ms;
                self.around("settings", &format!("SET lock_timeout = 0; SET statement_timeout = {limit}")).await?;
            }
            let sent = Instant::now();
            let (result, at) = answer(self.session, statement.text).await;
            let rows = result.map_err(|error| Failure::of_statement(self.file, self.text, statement, &error))?;
            let execution = executed(statement, rows, at.saturating_duration_since(sent));
            observer(&execution);
            done.push(execution);
            if waits {
                self.around("settings", &self.settings("SESSION")).await?;
            }
        }
        match self.last_words(&micros(clock).to_string()) {
            Some((what, sql)) => self.around(what, &sql).await,
            None => Ok(()),
        }
    }

    async fn around(&self, what: &str, sql: &str) -> Result<(), Failure> {
        self.session.batch(sql).await.map_err(|error| Failure::around(self.file, what, &error))
    }
}

/// How many of the statements go out together.
fn ahead(statements: &[Statement<'_>]) -> usize {
    let mut bytes = 0;
    statements
        .iter()
        .take(AHEAD_STATEMENTS)
        .take_while(|statement| {
            bytes += statement.text.len();
            bytes <= AHEAD_BYTES
        })
        .count()
        .max(1)
        .min(statements.len())
}

/// Sends one message and counts its rows without keeping them.
async fn answer(session: &Session, sql: &str) -> Answer {
    let result = async {
        let stream = session.client().simple_query_raw(sql).await?;
        pin_mut!(stream);
        let mut rows = 0;
        while let Some(message) = stream.next().await {
            if let SimpleQueryMessage::CommandComplete(count) = message? {
                rows = count;
            }
        }
        Ok::<u64, tokio_postgres::Error>(rows)
    }
    .await;
    (result.map_err(PgError::from), Instant::now())
}

fn executed(statement: &Statement<'_>, rows: u64, duration: std::time::Duration) -> StatementExecution {
    let first = statement.what.split(' ').next().unwrap_or_default();
    let counts = matches!(first, "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "SELECT" | "WITH" | "COPY");
    StatementExecution {
        number: statement.number,
        line: statement.place.line,
        what: statement.what.clone(),
        duration_us: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
        rows: counts.then_some(rows),
        locks: Vec::new(),
    }
}

pub(super) fn micros(clock: Instant) -> i64 {
    i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX)
}

/// A statement of ours, run as the connecting role whatever role the file has set.
fn own(sql: &str) -> String {
    format!("SET SESSION AUTHORIZATION DEFAULT; {sql}")
}
