//! A server's or driver's error, reduced to what may be recorded.
//!
//! DETAIL, CONTEXT and HINT may hold row values, and so may the primary message of data exceptions (class 22) and of
//! `RAISE` (P0001). Kept: SQLSTATE, the objects the server names, the position; and the primary message only for classes
//! whose messages name objects and syntax, not data
//! (PostgreSQL manual, appendix A "PostgreSQL Error Codes"; protocol, "Error and Notice Message Fields").

use tokio_postgres::error::{DbError, ErrorPosition, Severity};

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
    /// 1-based line of the data of a COPY that the server could not take.
    pub copy_line: Option<u64>,
    /// `schema.table`, constraint or column that the server named.
    pub object: Option<String>,
    /// Whether the connection is gone.
    pub disconnected: bool,
    /// What kind of trouble it is, for hints and for telling a bad answer from no answer.
    pub kind: PgErrorKind,
}

/// Kinds of trouble with PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PgErrorKind {
    /// The server answered with a SQLSTATE.
    Server,
    /// The connection string, or a file that belongs to it, cannot be used.
    Setting,
    /// Nothing listens there, or the name is unknown.
    NoServer,
    /// The server refused the password or wants one.
    Password,
    /// The server does not do TLS, or wants it.
    TlsRefused,
    /// The server's certificate does not hold.
    Certificate,
    /// The server has no such database.
    NoDatabase,
    /// A transaction pooler: sessions do not last there.
    Pooler,
    /// No program, or one too old.
    NoTool,
    /// A tool lacked a privilege, a role, an extension, room or a connection here: nothing is known about what it worked on.
    ToolEnvironment,
    /// A tool failed over what it worked on: a damaged archive, a row that breaks a constraint.
    ToolFailed,
    #[default]
    Other,
}

/// Classes whose primary messages speak of objects, syntax and resources, never of row values.
const SPEAKING_CLASSES: [&str; 17] = ["08", "0A", "23", "25", "28", "2B", "3B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "F0"];

impl PgError {
    /// An error of our own, without a server's answer.
    pub fn other(message: impl Into<String>) -> Self {
        Self::of_kind(PgErrorKind::Other, message)
    }

    /// An error of our own of a known kind.
    pub fn of_kind(kind: PgErrorKind, message: impl Into<String>) -> Self {
        Self { message: message.into(), sqlstate: None, position: None, copy_line: None, object: None, disconnected: false, kind }
    }

    /// Whether the SQLSTATE is this one.
    pub fn is(&self, sqlstate: &str) -> bool {
        self.sqlstate.as_deref() == Some(sqlstate)
    }

    /// Whether something that was named was not found. Our own statements name everything in full, so with an empty `search_path` it is the
    /// body of a function that the planner looked into, such as one in an index expression.
    pub fn is_undefined(&self) -> bool {
        matches!(self.sqlstate.as_deref(), Some("42883" | "42704" | "42P01" | "3F000"))
    }

    /// The same error, with what it was about before it.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
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
                copy_line: None,
                object: None,
                kind: PgErrorKind::Other,
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
        copy_line: db.where_().and_then(copy_line),
        object,
        // A mere ERROR of class 08 is about a connection that the server itself could not make, as for a foreign table.
        disconnected: sqlstate.starts_with("57P") || sqlstate.starts_with("08") && db.parsed_severity() != Some(Severity::Error),
        kind: match sqlstate {
            "28P01" => PgErrorKind::Password,
            "3D000" => PgErrorKind::NoDatabase,
            _ => PgErrorKind::Server,
        },
    }
}

/// Of `COPY name, line 3, column a: "…"` the number alone; the rest may be a row's value
/// (PostgreSQL, `CopyFromErrorCallback`; told so in English alone).
fn copy_line(context: &str) -> Option<u64> {
    let (_, rest) = context.strip_prefix("COPY ")?.split_once(", line ")?;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
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
