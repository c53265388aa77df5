//! A script cut into statements, each with its place; what cannot be run as it stands is refused with the reason.
//!
//! Statements end as psql ends them: at a semicolon outside of literals, comments, parentheses and `BEGIN ATOMIC … END` bodies
//! (PostgreSQL manual, psql; `psqlscan.l`). Tokens are squawk-lexer's. What psql itself is told is in [`psql`].

mod cutter;
mod kind;
mod psql;

pub use cutter::{Data, Splitter, Statement};
pub use kind::StatementKind;

use super::layout::Script;

/// A place in a file, 1-based; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

/// Why a script cannot be run as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    InvalidUtf8,
    NulByte,
    Unterminated(&'static str),
    MetaCommand,
    /// A variable of psql's that is not set, or not as it could be.
    Variable,
    CopyFromStdin,
    TransactionControl,
}

/// A refusal, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: RefusalReason,
    pub place: Place,
    /// The statement it stands in, 1-based; 0 before any statement could be read.
    pub number: u64,
    pub message: String,
}

/// A script's statements, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split<'a> {
    pub statements: Vec<Statement<'a>>,
    pub refusals: Vec<Refusal>,
    /// A comment before the first statement says `no-transaction`.
    pub no_transaction: bool,
    /// The file begins with a byte order mark, which is not sent.
    pub bom: bool,
}

impl Split<'_> {
    /// Whether all of it can run in one transaction.
    pub fn transactional(&self) -> bool {
        !self.no_transaction && !self.statements.iter().any(|s| matches!(s.kind, StatementKind::Alone | StatementKind::Concurrently))
    }
}

/// The script's text: UTF-8, without a byte order mark.
pub fn decode(bytes: &[u8]) -> Result<&str, Refusal> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let place = place_of(&before, before.len());
        Refusal {
            reason: RefusalReason::InvalidUtf8,
            place,
            number: 0,
            message: format!("not UTF-8: the byte 0x{:02x} here; save the file as UTF-8", bytes[error.valid_up_to()]),
        }
    })?;
    match text.find('\0') {
        None => Ok(text),
        Some(at) => Err(Refusal {
            reason: RefusalReason::NulByte,
            place: place_of(text, at),
            number: 0,
            message: "a zero byte, which PostgreSQL cannot take; is this file UTF-16?".into(),
        }),
    }
}

/// A cheap look before a walk: without a backslash or the word `stdin` nothing in a text is psql's.
pub fn may_hold_psql(text: &str) -> bool {
    memchr::memchr(b'\\', text.as_bytes()).is_some() || text.as_bytes().windows(5).any(|word| word.eq_ignore_ascii_case(b"stdin"))
}

/// The place of a byte offset.
pub fn place_of(text: &str, offset: usize) -> Place {
    let before = &text[..offset.min(text.len())];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place { line: before.bytes().filter(|b| *b == b'\n').count() as u64 + 1, column: before[line_start..].chars().count() as u64 + 1 }
}

/// What a script is as a whole, without keeping its statements: a long one is walked in little memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    pub statements: u64,
    pub refusals: Vec<Refusal>,
    pub transactional: bool,
    /// The file begins with a byte order mark, which is not sent.
    pub bom: bool,
    /// The first place that only psql understands: one of its commands or variables, or rows below a COPY.
    pub psql: Option<Place>,
    /// psql's commands that are passed over, without their backslash.
    pub passed_over: Vec<String>,
}

impl Survey {
    /// Walks the bytes once.
    pub fn of(bytes: &[u8]) -> Self {
        let text = match decode(bytes) {
            Ok(text) => text,
            Err(refusal) => return Self { refusals: vec![refusal], transactional: true, ..Self::default() },
        };
        let mut splitter = Splitter::new(text);
        let mut survey = Self { transactional: true, bom: bytes.starts_with(b"\xef\xbb\xbf"), ..Self::default() };
        for statement in &mut splitter {
            survey.statements += 1;
            survey.transactional &= !matches!(statement.kind, StatementKind::Alone | StatementKind::Concurrently);
        }
        survey.transactional &= !splitter.no_transaction;
        survey.psql = splitter.psql;
        survey.passed_over = splitter.passed_over.iter().map(ToString::to_string).collect();
        survey.refusals = splitter.refusals;
        survey
    }
}

/// Whether this script runs in one transaction; scripts that cannot be read count as such, they never run.
pub fn runs_in_a_transaction(script: &Script) -> bool {
    script.wrapped && Survey::of(&script.bytes).transactional
}

/// [`decode`], then [`split`]; a script that cannot be decoded has no statements and one refusal.
pub fn split_bytes(bytes: &[u8]) -> Split<'_> {
    match decode(bytes) {
        Ok(text) => Split { bom: bytes.starts_with(b"\xef\xbb\xbf"), ..split(text) },
        Err(refusal) => Split { refusals: vec![refusal], ..Split::default() },
    }
}

/// The length of what psql would take for one of its variables at the beginning of a text: `:name`, `:'name'`.
pub fn variable(text: &str) -> Option<usize> {
    let reference = psql::reference(text)?;
    reference.name.starts_with(|c: char| c.is_alphabetic() || c == '_').then_some(reference.length)
}

/// Cuts a text into statements.
pub fn split(text: &str) -> Split<'_> {
    let mut splitter = Splitter::new(text);
    let statements = splitter.by_ref().collect();
    Split { statements, refusals: splitter.refusals, no_transaction: splitter.no_transaction, bom: false }
}

#[cfg(test)]
mod tests;
