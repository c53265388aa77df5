//! `ledger show`.

use super::{CliError, Exit, Globals};

/// One entry, check, finding or run
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
pub fn run(_args: &Args, _globals: &Globals) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "this command is not built yet"))
}
