//! `ledger man`.

use super::{CliError, Exit, Globals};

/// Write the manual page (roff) to stdout
#[derive(Debug, clap::Args)]
#[command(after_help = "Read it:  ledger man | man -l -\nOne command's page:  ledger man run | man -l -")]
pub struct Args {
    /// The command to describe [default: ledger itself]
    command: Option<String>,
}

/// Writes the page of `ledger` or of one command.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let mut whole = super::command();
    whole.build();
    let command = match &args.command {
        None => whole,
        Some(name) => whole
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| CliError::new(Exit::Usage, format!("there is no command `{name}`")).hint("`ledger --help` lists them"))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|error| CliError::new(Exit::Bug, "cannot write the manual page").cause(error))?;
    globals.ui().answer(String::from_utf8_lossy(&page));
    Ok(Exit::Good)
}
