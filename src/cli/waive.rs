//! `ledger waive`.

use super::{CliError, Exit, Globals};

/// Accept one finding until a day, with a reason
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
pub fn run(_args: &Args, _globals: &Globals) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "this command is not built yet"))
}
