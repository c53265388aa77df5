//! `ledger checks`.

use super::{CliError, Exit, Globals};

/// The questions asked: list them, show one
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
pub fn run(_args: &Args, _globals: &Globals) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "this command is not built yet"))
}
