//! A server's or driver's error, reduced to what may be recorded.
//!
//! DETAIL, CONTEXT and HINT may hold row values, and so may the primary message of data exceptions (class 22) and of
//! `RAISE` (P0001). Kept: SQLSTATE, the objects the server names, the position; and the primary message only for classes
//! whose messages name objects and syntax, not data
//! (PostgreSQL manual, appendix A "PostgreSQL Error Codes"; protocol, "Error and Notice Message Fields").

use tokio_postgres::error::{DbError, ErrorPosition};

/// An error from PostgreSQL or on the way to it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct PgError {
    /// Reduced text, safe to print and to record.
    pub message: String,
    /// Five characters, when the server answered at all.
    pub sqlstate: Option<String>,
    /// 1-based character position in the statement sent.
    pub position: Option<u32>,
    /// `schema.table`, constraint or column that the server named.
    pub object: Option<String>,
    /// Whether the connection is gone.
    pub disconnected: bool,
}

/// Classes whose primary messages speak of objects, syntax and resources, never of row values.
const SPEAKING_CLASSES: [&str; 17] = ["08", "0A", "23", "25", "28", "2B", "3B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "F0"];

impl PgError {
    /// An error of our own, without a server's answer.
    pub fn other(message: impl Into<String>) -> Self {
        Self { message: message.into(), sqlstate: None, position: None, object: None, disconnected: false }
    }

    /// Whether the SQLSTATE is this one.
    pub fn is(&self, sqlstate: &str) -> bool {
        self.sqlstate.as_deref() == Some(sqlstate)
    }
}

impl From<tokio_postgres::Error> for PgError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => from_db(db),
            None => Self {
                disconnected: error.is_closed() || is_io(&error),
                // The driver's own errors name causes, not data; conversions would name types only.
                message: with_cause(&error),
                sqlstate: None,
                position: None,
                object: None,
            },
        }
    }
}

fn from_db(db: &DbError) -> PgError {
    let sqlstate = db.code().code();
    let object = object_of(db);
    let dynamic = matches!(db.position(), Some(ErrorPosition::Internal { .. }));
    let may_speak = SPEAKING_CLASSES.contains(&&sqlstate[..2]) && !dynamic;
    let mut message = match may_speak {
        true => format!("{} (SQLSTATE {sqlstate})", db.message()),
        false => format!("{} (SQLSTATE {sqlstate})", condition(sqlstate)),
    };
    if !may_speak && let Some(object) = &object {
        message.push_str(&format!(" at {object}"));
    }
    let position = match db.position() {
        Some(ErrorPosition::Original(position)) => Some(*position),
        _ => None,
    };
    PgError {
        message,
        sqlstate: Some(sqlstate.to_owned()),
        position,
        object,
        disconnected: sqlstate.starts_with("57P") || sqlstate.starts_with("08"),
    }
}

fn object_of(db: &DbError) -> Option<String> {
    let table = match (db.schema(), db.table()) {
        (Some(schema), Some(table)) => Some(format!("{schema}.{table}")),
        (None, Some(table)) => Some(table.to_owned()),
        _ => None,
    };
    match (table, db.column().or(db.constraint())) {
        (Some(table), Some(part)) => Some(format!("{table}.{part}")),
        (Some(table), None) => Some(table),
        (None, part) => part.or(db.datatype()).map(str::to_owned),
    }
}

/// What a class means, for codes whose message is not shown.
fn condition(sqlstate: &str) -> &'static str {
    match sqlstate {
        "22P02" => "invalid text representation",
        "22003" => "numeric value out of range",
        "22001" => "value too long",
        "22007" | "22008" => "invalid date or time",
        "22012" => "division by zero",
        "22004" => "null value not allowed",
        "P0001" => "an exception was raised",
        "P0002" => "no data found",
        "P0004" => "an assertion failed",
        _ if sqlstate.starts_with("22") => "data exception",
        _ if sqlstate.starts_with("P0") => "PL/pgSQL error",
        _ => "server error",
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

fn with_cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
