//! `ledger rollback`.

use super::{CliError, Exit, Globals};

/// Roll the target back to a version: the emergency path
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
pub fn run(_args: &Args, _globals: &Globals) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "this command is not built yet"))
}
