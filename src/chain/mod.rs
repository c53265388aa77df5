//! The ledger: entries in a hash chain and a Merkle tree, in one SQLite file. The bytes are those of docs/format.md.
//!
//! ```text
//! Draft ─► parts streamed into chunks ─► BEGIN IMMEDIATE: ts, header bytes, leaf, entry, parts, tree nodes ─► one fsync
//! ```
//! [`Store`] writes and reads; [`verify::Walk`] believes nothing and checks every byte; [`hash`], [`encode`] and [`merkle`] are pure.

pub mod checkpoint;
pub mod encode;
mod error;
pub mod hash;
pub mod header;
pub mod kind;
pub mod merkle;
mod open;
pub mod part;
mod payload;
pub mod proof;
mod read;
mod redact;
mod store;
pub mod verify;

pub use checkpoint::Checkpoint;
pub use error::{Error, ErrorKind};
pub use hash::{Hash, LedgerId};
pub use header::{Header, Tool};
pub use kind::EntryType;
pub use part::{Part, PartRef};
pub use proof::Proof;
pub use read::{AnchorRow, Entries, SignatureRow, Signed};
pub use redact::Erased;
pub use store::{Draft, Entry, Head, PartDraft, PartSource, Store};
pub use verify::Fault;

/// Result of everything that touches a ledger's file.
pub type Result<T> = std::result::Result<T, Error>;
