//! `ledger init`.

use super::{CliError, Exit, Globals};

/// Write a commented ledger.toml and an empty ledger
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
pub fn run(_args: &Args, _globals: &Globals) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "this command is not built yet"))
}
