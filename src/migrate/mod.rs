//! Migrations: read from disk, split, applied, verified, reverted; and the history of what was applied.
//!
//! 1. [`layout`] reads a folder into [`layout::MigrationSet`]; oddities are findings, never silence.
//! 2. [`split`] cuts a script into statements with their places and refuses what cannot be run as it stands.
//! 3. [`apply`], [`verify`] and [`revert`] run scripts; a failure names file, line, column, statement and SQLSTATE.
//! 4. [`trace`] sees what each statement locks, rewrites, makes and drops.
//! 5. [`history`] says what a database has; it is written in the transaction of the file it speaks of.

pub mod apply;
pub mod attempt;
pub mod effects;
pub mod failure;
pub mod history;
pub mod layout;
pub mod lint;
pub mod lock;
mod progress;
pub mod rehearse;
pub mod revert;
pub mod split;
pub mod trace;
pub mod verify;
pub mod waits;
pub mod witness;

pub use apply::{Applied, ApplyOptions, apply_file, apply_to, apply_traced};
pub use failure::Failure;
pub use history::{HistoryRow, SchemaState, schema_state, schema_version};
pub use layout::{Layout, LayoutError, Migration, MigrationSet, Script};
pub use trace::Tracer;
