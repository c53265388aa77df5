//! `ledger plan`.

use super::{CliError, Exit, Globals};

/// Show tasks, gates, roles, the day's schedule and its critical path
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
pub fn run(_args: &Args, _globals: &Globals) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "this command is not built yet"))
}
