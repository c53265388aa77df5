//! How far a file came that cannot run in one transaction: kept beside the history, so that the next run goes on there and nowhere else.
//!
//! 1. Before each statement a row says that it begins, with the SHA-256 of its text; after it the row says that it is done, or that the
//!    server refused it.
//! 2. The next run takes up the file after the last done statement, if the text of every done one is what it was.
//! 3. A statement that began and has no end (the connection was lost) may or may not have done its work: the file is not taken up until a
//!    person has looked, and says so by removing the row or marking it done.
//! 4. With the history row the rows go away.

use sha2::{Digest, Sha256};

use super::failure::Failure;
use super::history::literal;
use super::layout::{Migration, Script};
use super::split::{Place, Splitter, Statement};
use crate::pg::{PgError, Session};

const CREATE: &str = "CREATE SCHEMA IF NOT EXISTS ledger;
CREATE TABLE IF NOT EXISTS ledger.file_progress (
    version text NOT NULL,
    statement bigint NOT NULL,
    sha256 text NOT NULL,
    state text NOT NULL CHECK (state IN ('begun', 'done', 'refused')),
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (version, statement)
);
COMMENT ON TABLE ledger.file_progress IS 'How far migrations came that cannot run in one transaction; written by ledger'";

/// The progress of one file.
pub(super) struct Progress<'a> {
    session: &'a Session,
    version: &'a str,
}

impl<'a> Progress<'a> {
    /// Reads how far the migration came; `done` says it even where the file cannot be taken up there. `Ok(None)`: the role may not make the
    /// table, and no progress is kept.
    pub async fn open(session: &'a Session, migration: &'a Migration, text: &str, done: &mut u64) -> Result<Option<Self>, Failure> {
        let script = &migration.up;
        let around = |error: PgError| Failure::around(&script.file, "progress of the file", &error);
        let exists = session.one("SELECT pg_catalog.to_regclass('ledger.file_progress') IS NOT NULL", &[]).await.map_err(around)?;
        if !exists.get::<_, bool>(0) {
            match session.batch(CREATE).await {
                Ok(()) => {}
                Err(error) if error.is("42501") => return Ok(None),
                Err(error) => return Err(around(error)),
            }
        }
        let rows = session
            .query(
                "SELECT statement, sha256, state FROM ledger.file_progress WHERE version OPERATOR(pg_catalog.=) $1 ORDER BY statement",
                &[&migration.version],
            )
            .await
            .map_err(around)?;
        let mut statements = Splitter::new(text);
        for row in rows {
            let (number, sha256, state): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
            let statement = statements.find(|statement| statement.number == u64::try_from(number).unwrap_or_default());
            match state.as_str() {
                "done" => {
                    *done = u64::try_from(number).unwrap_or_default();
                    if statement.as_ref().is_none_or(|statement| digest(statement) != sha256) {
                        return Err(changed(script, number, statement.as_ref()));
                    }
                }
                "begun" => return Err(unknown_end(script, number, statement.as_ref(), &migration.version)),
                // Refused by the server: nothing of it stayed, and its text may be another now.
                _ => {}
            }
        }
        Ok(Some(Self { session, version: &migration.version }))
    }

    /// The statement is about to be sent.
    pub async fn begins(&self, statement: &Statement<'_>) -> Result<(), PgError> {
        self.write(&format!(
            "INSERT INTO ledger.file_progress (version, statement, sha256, state) VALUES ({}, {}, '{}', 'begun')
             ON CONFLICT (version, statement) DO UPDATE SET sha256 = EXCLUDED.sha256, state = 'begun', at = pg_catalog.clock_timestamp()",
            literal(self.version),
            statement.number,
            digest(statement)
        ))
        .await
    }

    /// The server has answered.
    pub async fn ended(&self, statement: &Statement<'_>, done: bool) -> Result<(), PgError> {
        self.write(&format!(
            "UPDATE ledger.file_progress SET state = '{}', at = pg_catalog.clock_timestamp()
             WHERE version OPERATOR(pg_catalog.=) {} AND statement OPERATOR(pg_catalog.=) {}",
            if done { "done" } else { "refused" },
            literal(self.version),
            statement.number
        ))
        .await
    }

    /// As the connecting role, whatever role the file has set; what it has set stays set.
    async fn write(&self, sql: &str) -> Result<(), PgError> {
        let sql = format!("BEGIN READ WRITE; SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE NONE; {sql}; COMMIT");
        let written = self.session.batch(&sql).await;
        if written.is_err() {
            // The session is to be usable by whoever handles the error.
            let _ = self.session.batch("ROLLBACK").await;
        }
        written
    }

    /// What takes the rows away, for the transaction of the history row.
    pub fn forget(&self) -> String {
        format!("DELETE FROM ledger.file_progress WHERE version OPERATOR(pg_catalog.=) {}", literal(self.version))
    }
}

fn digest(statement: &Statement<'_>) -> String {
    let mut digest = Sha256::new_with_prefix(statement.sql().as_bytes());
    digest.update(statement.data.map_or("", |data| data.text));
    hex::encode(digest.finalize())
}

fn changed(script: &Script, number: i64, statement: Option<&Statement<'_>>) -> Failure {
    let message = format!(
        "statement {number} was applied in an earlier attempt, and the file has another one there now: restore statements 1 to {number} as they \
         were, and put changes into a new migration"
    );
    at(script, number, statement, message)
}

fn unknown_end(script: &Script, number: i64, statement: Option<&Statement<'_>>, version: &str) -> Failure {
    let message = format!(
        "statement {number} began in an earlier attempt and its end is not known. Look whether its work is there; then say so: \
         UPDATE ledger.file_progress SET state = 'done' (it is) or 'refused' (it is not) WHERE version = '{version}' AND statement = {number}"
    );
    Failure { end_unknown: true, ..at(script, number, statement, message) }
}

fn at(script: &Script, number: i64, statement: Option<&Statement<'_>>, message: String) -> Failure {
    Failure {
        file: script.file.clone(),
        place: statement.map_or(Place { line: 1, column: 1 }, |statement| statement.place),
        number: u64::try_from(number).unwrap_or_default(),
        what: statement.map(|statement| statement.what.clone()).unwrap_or_default(),
        sqlstate: None,
        message,
        disconnected: false,
        end_unknown: false,
    }
}
