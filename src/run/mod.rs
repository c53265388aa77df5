//! The engine: which tasks run, in which order, what stops them, and what goes on the ledger.
//!
//! 1. [`select`] the tasks that the command names, in the plan's order.
//! 2. [`open`] a run, or go on with the open one if plan, migrations and target are the same.
//! 3. For each task: may it start? (`rules`); `task.started`; the step; `task.result` with its evidence as parts.
//! 4. Read the run back from its entries and judge it.
//!
//! `task.started` and `task.result` are all that a run appends, beside opening itself and closing the one before.

pub mod anchor;
pub mod digest;
pub mod engine;
pub mod event;
mod foreseen;
pub mod interrupt;
pub mod open;
pub mod rules;
pub mod select;
pub mod write;

pub use engine::{Engine, Finished, Hooks, RolledBack};
pub use event::{Event, Listener};
pub use interrupt::Interrupts;
pub use select::Selection;

use crate::chain::Error as ChainError;
use crate::pg::PgError;

/// Why a run could not be carried on. What was on the ledger by then stays there.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run stops at once: without a ledger there is no evidence.
    #[error("the ledger could not be written or read: {0}")]
    Ledger(#[from] ChainError),
    #[error("{what}")]
    Setup { what: String, hint: String },
    #[error(transparent)]
    Pg(#[from] PgError),
    #[error("cannot read {what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("interrupted")]
    Interrupted,
}
