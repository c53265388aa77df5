//! `ledger demo`.

use super::{CliError, Exit, Globals};

/// Run the whole plan on a throwaway local PostgreSQL with the reference staging application
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
pub fn run(_args: &Args, _globals: &Globals) -> Result<Exit, CliError> {
    Err(CliError::new(Exit::Bug, "this command is not built yet"))
}
