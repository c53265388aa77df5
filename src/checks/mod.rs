//! Checks: one question, one file under `queries/<step>/`, one line in [`list`]. A query check is SQL that yields one row per
//! subject; a probe check is a file whose body says, in comments, how the step finds the answer.

pub mod header;
pub mod judge;
pub mod list;
pub mod user;

#[cfg(feature = "pg")]
pub mod ask;

pub use header::{Check, Kind};
pub use list::{CHECKS, find};
