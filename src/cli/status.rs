//! `ledger status`.

use super::{CliError, Exit, Globals};

/// Where the run stands, and the exact next command
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
pub fn run(_args: &Args, _globals: &Globals) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "this command is not built yet"))
}
