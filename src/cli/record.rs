//! `ledger record`.

use super::{CliError, Exit, Globals};

/// Put evidence made elsewhere on the ledger
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
pub fn run(_args: &Args, _globals: &Globals) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "this command is not built yet"))
}
