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
use futures_util::{SinkExt, StreamExt, pin_mut};
use tokio_postgres::SimpleQueryMessage;

use super::failure::Failure;
use super::history;
use super::layout::{Migration, MigrationSet, Script, compare};
use super::progress::Progress;
use super::split::{Data, Splitter, Statement, StatementKind, Survey, decode};
use super::trace::{self, FileTrace, Look, Tracer};
use crate::domain::product::{FileExecution, StatementExecution};
use crate::pg::{PgError, Session};

/// How many statements, and how many bytes of them, are sent before the answer to the first is awaited.
const AHEAD_STATEMENTS: usize = 16;
const AHEAD_BYTES: usize = 64 * 1024;

/// How many bytes of rows below a COPY are sent at a time.
const COPIED_AT_ONCE: usize = 64 * 1024;

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

struct Runner<'a> {
    session: &'a Session,
    file: &'a str,
    text: &'a str,
    options: &'a ApplyOptions,
    then: Then<'a>,
}

/// What a message to the server is for.
enum Message<'a> {
    Begin,
    Statement(Statement<'a>),
    /// The locks held after the statement before.
    Look,
    Closing(&'static str),
}

/// One message's answer, and when it was complete.
type Answer = (Result<Reply, PgError>, Instant);

#[derive(Default)]
struct Reply {
    /// Rows affected.
    rows: u64,
    looks: Vec<Look>,
}

impl Runner<'_> {
    fn settings(&self, scope: &str) -> String {
        format!(
            "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; SET {scope} client_min_messages = warning; SET {scope} row_security = off; \
             SET {scope} lock_timeout = {}; SET {scope} statement_timeout = {}{}",
            self.options.lock_timeout_ms,
            self.options.statement_timeout_ms,
            self.session.watch_again(scope)
        )
    }

    fn last_words(&self, execution_us: &str) -> Option<(&'static str, String)> {
        match self.then {
            Then::Record(migration) => history::insert(migration, &self.options.run, execution_us).map(|sql| ("history row", own(&sql))),
            Then::Forget(migration) => history::delete(migration).map(|sql| ("history row", own(&sql))),
            Then::Nothing => None,
        }
    }

    async fn in_one_transaction(&self, done: &mut Done, tracer: Option<&Tracer>, observer: Observer<'_>) -> Result<(), Failure> {
        // A snapshot that cannot be had leaves the file untraced; it does not stop it.
        let mut trace = match tracer {
            Some(tracer) => tracer.before().await.is_ok().then(FileTrace::default),
            None => None,
        };
        let result = self.statements_of_transaction(done, trace.as_mut(), observer).await;
        if let Err(failure) = &result
            && !failure.disconnected
        {
            // Where it failed before the last statements, the transaction is still open. A failed rollback means a lost
            // connection, and then the server rolls back by itself.
            let _ = self.session.batch("ROLLBACK").await;
        }
        done.trace = trace.map(|trace| (trace, Instant::now()));
        result
    }

    /// What ends a transaction: deferred constraints, the history row, the commit.
    fn closing(&self) -> Vec<(&'static str, String)> {
        [("deferred constraints", "SET CONSTRAINTS ALL IMMEDIATE".to_owned())]
            .into_iter()
            // Names of ours stay ours, whatever search path or role the file has set.
            .chain(self.last_words(
                "pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.transaction_timestamp()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8",
            ))
            .chain([("COMMIT", "COMMIT".to_owned())])
            .collect()
    }

    async fn statements_of_transaction(
        &self,
        done: &mut Done,
        mut trace: Option<&mut FileTrace>,
        observer: Observer<'_>,
    ) -> Result<(), Failure> {
        let begin = format!("BEGIN READ WRITE; {}", self.settings("LOCAL"));
        let mut rest = Splitter::new(self.text).peekable();
        let mut first = true;
        let mut before: Option<String> = None;
        // What was locked by a COPY is looked at with what follows it: while its rows are sent nothing else can be.
        let mut look_owed = false;
        let mut position = None;
        let mut began = Instant::now();
        loop {
            let mut messages: Vec<(Message<'_>, std::borrow::Cow<'_, str>)> = Vec::new();
            if std::mem::take(&mut first) {
                messages.push((Message::Begin, begin.as_str().into()));
            }
            if std::mem::take(&mut look_owed) {
                messages.push((Message::Look, trace::LOOK.into()));
            }
            let (mut count, mut bytes, mut copies) = (0, 0, false);
            while let Some(statement) = rest.next_if(|next| match (count, &next.data) {
                (0, _) => true,
                (_, Some(_)) => false,
                (_, None) => !copies && count < AHEAD_STATEMENTS && bytes + next.text.len() <= AHEAD_BYTES,
            }) {
                copies = statement.data.is_some();
                (count, bytes) = (count + 1, bytes + statement.text.len());
                let look = trace.is_some() && trace::worth_a_look(&statement, before.as_deref(), rest.peek());
                before = Some(statement.what.clone());
                let sql = statement.sql();
                messages.push((Message::Statement(statement), sql));
                look_owed = look && copies;
                if look && !copies {
                    messages.push((Message::Look, trace::LOOK.into()));
                }
            }
            // What closes the transaction goes out with the last statements.
            let last_batch = !copies && rest.peek().is_none();
            if last_batch {
                messages.extend(self.closing().into_iter().map(|(what, sql)| (Message::Closing(what), sql.into())));
            }
            let mut last = Instant::now();
            let answers = join_all(messages.iter().map(|(message, sql)| {
                let data = if let Message::Statement(statement) = message { statement.data } else { None };
                answer(self.session, sql, data, matches!(message, Message::Look))
            }))
            .await;
            for ((message, _), (result, at)) in messages.iter().zip(answers) {
                match message {
                    Message::Begin => drop(result.map_err(|error| Failure::around(self.file, "BEGIN", &error))?),
                    Message::Statement(statement) => {
                        let reply = result.map_err(|error| Failure::of_statement(self.file, self.text, statement, &error))?;
                        let execution = executed(statement, reply.rows, at.saturating_duration_since(last));
                        began = last;
                        position = Some(done.push(execution, &mut *observer));
                    }
                    Message::Look => {
                        let reply = result.map_err(|error| Failure::around(self.file, "lock trace", &error))?;
                        if let (Some(trace), Some(position)) = (trace.as_deref_mut(), position) {
                            trace.take(position, (began, last), reply.looks);
                        }
                    }
                    Message::Closing(what) => drop(result.map_err(|error| Failure::around(self.file, what, &error))?),
                }
                last = at;
            }
            if last_batch {
                return Ok(());
            }
        }
    }

    async fn one_by_one(&self, done: &mut Done, tracer: Option<&Tracer>, observer: Observer<'_>) -> Result<(), Failure> {
        let clock = Instant::now();
        self.around("settings", &format!("{}; SET default_transaction_read_only = off", self.settings("SESSION"))).await?;
        done.traced = tracer.is_some();
        let progress = match self.then {
            Then::Record(migration) if Splitter::new(self.text).nth(1).is_some() => {
                Progress::open(self.session, migration, self.text, &mut done.resumed).await?
            }
            _ => None,
        };
        let lost = |error: &PgError| Failure::around(self.file, "progress of the file", error);
        for statement in Splitter::new(self.text) {
            // Settings last as long as their session, so that they are made again.
            let setting = matches!(statement.what.split(' ').next(), Some("SET" | "RESET"));
            if statement.number <= done.resumed && !setting {
                continue;
            }
            let progress = progress.as_ref().filter(|_| !setting);
            if let Some(progress) = progress {
                progress.begins(&statement).await.map_err(|error| lost(&error))?;
            }
            let waits = statement.kind == StatementKind::Concurrently;
            if waits {
                let limit = self.options.concurrently_timeout_ms;
                self.around("settings", &format!("SET lock_timeout = 0; SET statement_timeout = {limit}")).await?;
            }
            let work = async {
                let sent = Instant::now();
                let (result, at) = answer(self.session, &statement.sql(), statement.data, false).await;
                (result, at.saturating_duration_since(sent))
            };
            let ((result, took), watched) = match tracer {
                Some(tracer) => {
                    let (done, watched) = tracer.watch(work).await;
                    (done, Some(watched))
                }
                None => (work.await, None),
            };
            let reply = match (result, progress) {
                (Ok(reply), progress) => {
                    if let Some(progress) = progress {
                        // Done, and nobody could note it: the next run must ask.
                        progress
                            .ended(&statement, true)
                            .await
                            .map_err(|error| Failure::of_statement(self.file, self.text, &statement, &error))?;
                    }
                    reply
                }
                (Err(error), progress) => {
                    if let Some(progress) = progress.filter(|_| !error.disconnected) {
                        // If this fails too, the statement stays without an end, and a person is asked.
                        let _ = progress.ended(&statement, false).await;
                    }
                    return Err(Failure::of_statement(self.file, self.text, &statement, &error));
                }
            };
            let mut execution = executed(&statement, reply.rows, took);
            if let (Some(tracer), Some(watched)) = (tracer, watched) {
                done.traced &= match watched {
                    Ok(watched) => tracer.tell_watched(watched, &mut execution).await.is_ok(),
                    Err(_) => false,
                };
            }
            done.push(execution, &mut *observer);
            if waits {
                self.around("settings", &self.settings("SESSION")).await?;
            }
        }
        match self.last_words(&micros(clock).to_string()) {
            Some((what, sql)) => {
                let forget = progress.map(|progress| format!("; {}", progress.forget())).unwrap_or_default();
                self.around(what, &format!("{sql}{forget}")).await
            }
            None => Ok(()),
        }
    }

    async fn around(&self, what: &str, sql: &str) -> Result<(), Failure> {
        self.session.batch(sql).await.map_err(|error| Failure::around(self.file, what, &error))
    }
}

/// Sends one message and counts its rows without keeping them, unless they are those of a look.
async fn answer(session: &Session, sql: &str, data: Option<Data<'_>>, look: bool) -> Answer {
    let result = async {
        if let Some(data) = data {
            return Ok(Reply { rows: copied(session, sql, data).await?, looks: Vec::new() });
        }
        let stream = session.client().simple_query_raw(sql).await?;
        pin_mut!(stream);
        let mut reply = Reply::default();
        while let Some(message) = stream.next().await {
            match message? {
                SimpleQueryMessage::CommandComplete(count) => reply.rows = count,
                SimpleQueryMessage::Row(row) if look => reply.looks.extend(trace::read_look(&row)),
                _ => {}
            }
        }
        Ok::<Reply, tokio_postgres::Error>(reply)
    }
    .await;
    (result.map_err(PgError::from), Instant::now())
}

/// Sends a COPY and its rows; gives their number (PostgreSQL manual, protocol, "COPY Operations").
async fn copied(session: &Session, sql: &str, data: Data<'_>) -> Result<u64, tokio_postgres::Error> {
    let sink = session.client().copy_in::<_, bytes::Bytes>(sql).await?;
    pin_mut!(sink);
    for part in data.text.as_bytes().chunks(COPIED_AT_ONCE) {
        sink.send(bytes::Bytes::copy_from_slice(part)).await?;
    }
    sink.finish().await
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
        times: 1,
        locks: Vec::new(),
        rewritten: Vec::new(),
        relations: Vec::new(),
        sampled: false,
    }
}

pub(super) fn micros(clock: Instant) -> i64 {
    i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX)
}

/// A statement of ours, run as the connecting role whatever role the file has set.
fn own(sql: &str) -> String {
    format!("SET SESSION AUTHORIZATION DEFAULT; {sql}")
}
