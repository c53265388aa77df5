//! The only code that knows clap or a terminal: one file per command.

pub mod error;
pub mod exit;
