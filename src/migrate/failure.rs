//! A script that did not run: where, which statement, what the server said, reduced.

use std::fmt;

use super::split::{Place, Refusal, Statement, place_of};
use crate::pg::PgError;

/// Why and where a script stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Relative to the migrations folder.
    pub file: String,
    /// Where the server or the splitter points; the statement's beginning where neither does.
    pub place: Place,
    /// 1-based; 0: no statement of the file's own.
    pub number: u64,
    /// First keywords and object, never a literal.
    pub what: String,
    pub sqlstate: Option<Box<str>>,
    /// Reduced text.
    pub message: String,
    pub disconnected: bool,
    /// Whether the statement did its work is not known: it began, and nobody heard how it ended.
    pub end_unknown: bool,
}

impl Failure {
    /// A statement the server refused.
    pub fn of_statement(file: &str, text: &str, statement: &Statement<'_>, error: &PgError) -> Self {
        let place = match (error.position, statement.data.zip(error.copy_line)) {
            // The server counts characters of what was sent, from 1.
            (Some(position), _) => place_of(text, statement.offset_of(position)),
            // And lines of what was copied.
            (None, Some((data, line))) => Place { line: data.line + line.saturating_sub(1), column: 1 },
            (None, None) => statement.place,
        };
        Self {
            file: file.to_owned(),
            place,
            number: statement.number,
            what: statement.what.clone(),
            sqlstate: error.sqlstate.as_deref().map(Into::into),
            message: said(error),
            disconnected: error.disconnected,
            end_unknown: error.disconnected,
        }
    }

    /// Something of ours around the file: its transaction, its history row. `what` names it.
    pub fn around(file: &str, what: &str, error: &PgError) -> Self {
        Self {
            file: file.to_owned(),
            place: Place { line: 1, column: 1 },
            number: 0,
            what: what.to_owned(),
            sqlstate: error.sqlstate.as_deref().map(Into::into),
            message: said(error),
            disconnected: error.disconnected,
            end_unknown: error.disconnected,
        }
    }

    /// A script that is not sent at all.
    pub fn refused(file: &str, refusal: &Refusal) -> Self {
        Self {
            file: file.to_owned(),
            place: refusal.place,
            number: refusal.number,
            what: String::new(),
            sqlstate: None,
            message: refusal.message.clone(),
            disconnected: false,
            end_unknown: false,
        }
    }

    /// A tool of the team's that did not do what it was to do.
    pub fn of_tool(told_as: &str, message: String) -> Self {
        Self {
            file: told_as.to_owned(),
            place: Place { line: 1, column: 1 },
            number: 0,
            what: String::new(),
            sqlstate: None,
            message,
            disconnected: false,
            end_unknown: false,
        }
    }

    /// A finding's subject: `004_performance_indexes.sql:12`.
    pub fn subject(&self) -> String {
        format!("{}:{}", self.file, self.place.line)
    }

    /// Whether this says something about the script. A lost connection, a cancelled session or a full disk does not.
    pub fn decides(&self) -> bool {
        let outside =
            |sqlstate: &str| ["08", "53", "58", "XX"].iter().any(|class| sqlstate.starts_with(class)) || sqlstate.starts_with("57P");
        !self.disconnected && !self.sqlstate.as_deref().is_some_and(outside)
    }

    /// Whether trying the whole file again can help: a lock that was not got in time, or a deadlock.
    pub fn retryable(&self) -> bool {
        matches!(self.sqlstate.as_deref(), Some("55P03" | "40P01"))
    }
}

/// The server's message, which names its SQLSTATE; where there is none, that is said.
fn said(error: &PgError) -> String {
    match (&error.sqlstate, error.disconnected) {
        (None, true) => format!("{} (no SQLSTATE: the server went away without an answer)", error.message),
        _ => error.message.clone(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.place.line, self.place.column)?;
        match (self.number, self.what.as_str()) {
            (0, "") => {}
            (0, what) => write!(f, "{what}: ")?,
            (number, "") => write!(f, "statement {number}: ")?,
            (number, what) => write!(f, "statement {number} ({what}): ")?,
        }
        f.write_str(&self.message)
    }
}
