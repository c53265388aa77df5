//! The evidence package: one archive that an auditor checks with `sha256sum`, `ssh-keygen` and `python3` alone.
//!
//! ```text
//! entries, surviving parts, signature and anchor rows ─► files ─► SHA256SUMS ─► zip ─► .sha256 ─► .sig
//! archive ─► scan (structure) ─► file set ─► entries ─► head ─► anchors ─► parts ─► signatures ─► decision: one word
//! ```
//! Packing never renders and never appends: the report files are parts of the run's `published` entry.

pub mod contents;
pub mod manifest;
pub mod scan;
pub mod verify;
pub mod write;
pub mod zip;

mod cores;
mod entries;
mod held;
mod signatures;

pub use contents::View;
pub use manifest::Manifest;
pub use verify::{Options, Verification, verify};
pub use write::{Written, kept_signature, sign, write};

use std::path::Path;

use crate::chain::Fault;

/// Why a package cannot be written or verified.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// What was looked at does not hold.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A file cannot be read or written: nothing is said about the evidence.
    #[error("{0}")]
    Io(String),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(crate::chain::Error),
    /// The run is not in a state that can be packed, and why.
    #[error("{0}")]
    NotReady(String),
    /// A key or an allowed_signers file that cannot be used.
    #[error(transparent)]
    Sign(#[from] crate::sign::SignError),
}

impl Problem {
    fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io(format!("{}: {error}", path.display()))
    }
}

impl From<crate::chain::Error> for Problem {
    fn from(error: crate::chain::Error) -> Self {
        match error {
            crate::chain::Error::Fault(fault) => Self::Fault(fault),
            // SQLite cannot read it, or its tables are others: said in a word, as everything that does not hold.
            damaged @ crate::chain::Error::Damaged { .. } => Self::Fault(Fault::new("MALFORMED-LEDGER", damaged.to_string())),
            other => Self::Ledger(other),
        }
    }
}

fn malformed_archive(reason: &str) -> Problem {
    Fault::new(format!("MALFORMED-ARCHIVE({reason})"), format!("the archive is not of the one form that packages have: {reason}")).into()
}
