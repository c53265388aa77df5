//! The messages of one script: sent ahead of their answers in a transaction, one at a time outside of one.

use std::time::Instant;

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt, pin_mut};
use tokio_postgres::SimpleQueryMessage;

use super::{ApplyOptions, Done, Observer, Then, micros};
use crate::domain::product::StatementExecution;
use crate::migrate::failure::Failure;
use crate::migrate::history;
use crate::migrate::progress::Progress;
use crate::migrate::split::{Data, Splitter, Statement, StatementKind};
use crate::migrate::trace::{self, FileTrace, Look, Tracer};
use crate::pg::{PgError, Session};

/// How many statements, and how many bytes of them, are sent before the answer to the first is awaited.
const AHEAD_STATEMENTS: usize = 16;
const AHEAD_BYTES: usize = 64 * 1024;

/// How many bytes of rows below a COPY are sent at a time.
const COPIED_AT_ONCE: usize = 64 * 1024;

/// Sends one script.
pub(super) struct Runner<'a> {
    pub session: &'a Session,
    pub file: &'a str,
    pub text: &'a str,
    pub options: &'a ApplyOptions,
    pub then: Then<'a>,
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

    /// All statements in one transaction, which ends with the history row.
    pub async fn in_one_transaction(&self, done: &mut Done, tracer: Option<&Tracer>, observer: Observer<'_>) -> Result<(), Failure> {
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

    /// Each statement by itself, how far it came noted beside the history.
    pub async fn one_by_one(&self, done: &mut Done, tracer: Option<&Tracer>, observer: Observer<'_>) -> Result<(), Failure> {
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

/// A statement of ours, run as the connecting role whatever role the file has set.
fn own(sql: &str) -> String {
    format!("SET SESSION AUTHORIZATION DEFAULT; {sql}")
}
