//! Counting under one snapshot: several read-only sessions, each with one question at a time.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::pg::{Access, PgError, Session, Target};

/// At most so many sessions count at once; the database has other work.
const WORKERS: usize = 4;

/// A question that is one number, with a cheaper question before it.
#[derive(Clone, Debug)]
pub struct Question {
    /// `SELECT 1 … LIMIT 1`: no row means zero, and the counting is spared.
    pub any: String,
    /// Yields one bigint.
    pub count: String,
}

/// How one question was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub count: Result<u64, PgError>,
    pub duration: Duration,
    pub timed_out: bool,
    /// There is at least one, also where the counting itself did not end.
    pub any: bool,
}

impl Answer {
    /// The count, if there is one.
    pub fn number(&self) -> Option<u64> {
        self.count.as_ref().ok().copied()
    }
}

impl Answer {
    /// Why there is no count, in words for a row.
    pub fn why(&self, error: &PgError) -> String {
        match self.timed_out {
            true => format!("timed out after {:.0} s", self.duration.as_secs_f64()),
            false => error.message.clone(),
        }
    }
}

impl Question {
    /// How many rows of `from` (a FROM clause) satisfy `condition`.
    pub fn rows(from: &str, condition: &str) -> Self {
        Self {
            any: format!("SELECT 1 FROM {from} WHERE {condition} LIMIT 1"),
            count: format!("SELECT pg_catalog.count(*) FROM {from} WHERE {condition}"),
        }
    }
}

/// Answers every question in order of asking, several at a time, all in one snapshot. `told` hears of each answer.
pub async fn answer_all(
    target: &Target,
    questions: &[Question],
    timeout_ms: u64,
    told: impl Fn(usize, &Answer),
) -> Result<Vec<Option<Answer>>, PgError> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let leader = counting_session(target, timeout_ms).await?;
    // Several questions keep the cores busy by themselves, and one by one the server merges two indexes where in parallel it would build a hash.
    let alone = if questions.len() > 1 { "SET max_parallel_workers_per_gather = 0" } else { "" };
    leader.batch("SET idle_in_transaction_session_timeout = 0").await?;
    leader.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let snapshot: String = leader.one("SELECT pg_catalog.pg_export_snapshot()", &[]).await?.try_get(0).map_err(PgError::from)?;

    let next = Cell::new(0_usize);
    let answers: RefCell<Vec<Option<Answer>>> = RefCell::new(questions.iter().map(|_| None).collect());
    let worker = async || -> Result<(), PgError> {
        let session = counting_session(target, timeout_ms).await?;
        session.batch(alone).await?;
        join(&session, &snapshot).await?;
        while next.get() < questions.len() {
            let index = next.get();
            next.set(index + 1);
            let started = Instant::now();
            let mut any = false;
            let mut count = one(&session, &questions[index], &mut any).await;
            if count.as_ref().is_err_and(PgError::is_undefined) {
                // A function in an index of the table names something by its bare name: only the team's own search path finds it.
                session.batch("ROLLBACK").await?;
                session.batch("RESET search_path").await?;
                join(&session, &snapshot).await?;
                count = one(&session, &questions[index], &mut any).await;
                if count.is_ok() {
                    session.batch("SET search_path = ''").await?;
                }
            }
            let duration = started.elapsed();
            let late = timeout_ms > 0 && duration.as_millis() >= u128::from(timeout_ms);
            let answer = Answer { timed_out: late && count.as_ref().is_err_and(|error| error.is("57014")), count, duration, any };
            let failed = answer.count.is_err();
            told(index, &answer);
            answers.borrow_mut()[index] = Some(answer);
            if failed {
                // The error ended the transaction; the snapshot still stands in the leader's.
                session.batch("ROLLBACK").await?;
                session.batch("SET search_path = ''").await?;
                join(&session, &snapshot).await?;
            }
        }
        Ok(())
    };
    let ended = join_all((0..WORKERS.min(questions.len())).map(|_| worker())).await;
    let answers = answers.into_inner();
    // One worker is enough: it takes the others' questions. What none of them answered is undecided, not lost.
    match ended.into_iter().find_map(Result::err) {
        Some(error) if answers.iter().all(Option::is_none) => Err(error),
        _ => Ok(answers),
    }
}

/// A read-only session that sees every row or raises: with `row_security = off` a role that policies apply to gets an error
/// where it would else count what it may see (PostgreSQL manual, `row_security`).
pub async fn counting_session(target: &Target, timeout_ms: u64) -> Result<Session, PgError> {
    let session = target.session_with(Access::ReadOnly, timeout_ms, 5_000).await?;
    // Anti-joins hash the parent's keys; the server's usual 4 MB would make many batches of them. What is counted is read from end to end, in
    // the order of an index as well as of a table: at the usual cost of a random page the server would not merge two indexes, four times faster.
    session.batch("SET row_security = off; SET work_mem = '64MB'; SET random_page_cost = 1.1").await?;
    Ok(session)
}

async fn join(session: &Session, snapshot: &str) -> Result<(), PgError> {
    let snapshot: String = snapshot.chars().filter(|c| c.is_ascii_hexdigit() || *c == '-').collect();
    session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    session.batch(&format!("SET TRANSACTION SNAPSHOT '{snapshot}'")).await
}

async fn one(session: &Session, question: &Question, any: &mut bool) -> Result<u64, PgError> {
    if session.query(&question.any, &[]).await?.is_empty() {
        return Ok(0);
    }
    *any = true;
    let count: i64 = session.one(&question.count, &[]).await?.try_get(0).map_err(PgError::from)?;
    Ok(count.unsigned_abs())
}
