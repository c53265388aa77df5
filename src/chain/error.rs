//! What can go wrong with a ledger. The command line maps [`Error::kind`] to an exit code and a hint.

use std::path::PathBuf;

use super::verify::Fault;

/// A failure of the ledger, with the file it is about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no ledger at {0}")]
    NotFound(PathBuf),
    #[error("{0} exists already")]
    Exists(PathBuf),
    #[error("{path} is not a ledger: {why}")]
    NotALedger { path: PathBuf, why: String },
    #[error("{path} lies on a network file system ({name}), where SQLite's locks do not hold")]
    NetworkFileSystem { path: PathBuf, name: &'static str },
    #[error("another process holds the ledger {0}")]
    Locked(PathBuf),
    #[error("the ledger {0} cannot be written: read-only")]
    ReadOnly(PathBuf),
    #[error("the ledger {0} cannot be written: no space left")]
    Full(PathBuf),
    #[error("the ledger {path}: {why}")]
    Io { path: PathBuf, why: String },
    #[error("the ledger {path} is damaged: {why}")]
    Damaged { path: PathBuf, why: String },
    /// Something a draft asks for that the format does not allow: a bug of the caller, never of the file.
    #[error("this cannot be an entry: {0}")]
    Refused(String),
    /// The payload file of a draft cannot be read.
    #[error("{path}: {why}")]
    Source { path: PathBuf, why: String },
    #[error("no entry {0}")]
    NoEntry(u64),
    #[error("entry {seq} has no part {name}")]
    NoPart { seq: u64, name: String },
    /// The chain, or a payload, does not hold.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a caller does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No ledger there, or one there already, or not a ledger, or no such entry: set-up.
    Setup,
    /// The ledger could not be written (exit 21): [`Error::Locked`], [`Error::ReadOnly`], [`Error::Full`], [`Error::Io`], network file system.
    Write,
    /// Chain or payload does not hold (exit 20).
    Integrity,
    /// A bug of the caller.
    Bug,
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) | Self::Exists(_) | Self::NotALedger { .. } | Self::Source { .. } => ErrorKind::Setup,
            Self::NoEntry(_) | Self::NoPart { .. } => ErrorKind::Setup,
            Self::NetworkFileSystem { .. } | Self::Locked(_) | Self::ReadOnly(_) | Self::Full(_) | Self::Io { .. } => ErrorKind::Write,
            Self::Damaged { .. } | Self::Fault(_) => ErrorKind::Integrity,
            Self::Refused(_) => ErrorKind::Bug,
        }
    }

    /// What a person does next, where one thing helps.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound(_) => Some("ledger init makes one"),
            Self::Exists(_) => Some("name another file; a ledger is never overwritten"),
            Self::NetworkFileSystem { .. } => Some("move the ledger to a local disk"),
            Self::Locked(_) => Some("let the other `ledger` finish, or end it, then run the command again"),
            Self::ReadOnly(_) => Some("make the file and its folder writable for this user, then run the command again"),
            Self::Full(_) => Some("free space on the ledger's disk, then run the command again; nothing acknowledged is lost"),
            Self::Io { .. } => {
                Some("check the ledger's disk (free space, quota, health), then run the command again; nothing acknowledged is lost")
            }
            Self::Damaged { .. } | Self::Fault(_) => Some("ledger verify says what does not hold; restore an anchored copy"),
            _ => None,
        }
    }
}

/// SQLite's error, read as one of ours.
pub(super) fn from_sqlite(path: &std::path::Path, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as C;
    let path = path.to_owned();
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(C::DatabaseBusy | C::DatabaseLocked | C::FileLockingProtocolFailed) => Error::Locked(path),
        Some(C::ReadOnly | C::PermissionDenied | C::CannotOpen) => Error::ReadOnly(path),
        Some(C::DiskFull) => Error::Full(path),
        Some(C::NotADatabase) => Error::NotALedger { path, why: "not a SQLite file".into() },
        Some(C::DatabaseCorrupt | C::TypeMismatch | C::ConstraintViolation) => Error::Damaged { path, why },
        Some(C::SystemIoFailure) => Error::Io { path, why },
        _ => match error {
            // A column of another type than the schema's: only a hostile or damaged file has one.
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => Error::Damaged { path, why },
            _ => Error::Io { path, why },
        },
    }
}
