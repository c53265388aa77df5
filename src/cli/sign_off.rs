//! `ledger sign-off`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::signing::{Signing, reason};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::publish::statements::sign_off_until;
use crate::sign::Namespace;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    Go,
    NoGo,
}

/// Sign the decision for production over the run's checkpoint and every report file
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The decision
    #[arg(long, value_enum)]
    decision: Choice,
    /// Why, in words
    #[arg(long, value_name = "FILE")]
    reason_file: Option<PathBuf>,
    /// The last moment at which it counts, YYYY-MM-DDTHH:MM:SSZ; after it a go is EXPIRED
    #[arg(long, value_name = "TIME", value_parser = super::verify::time)]
    valid_until: Option<String>,
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    signing: Signing,
}

/// Publishes the report if that was not done, signs, appends.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let mut store = globals.open_ledger_for_writing()?;
    let id = super::report::chosen(&store, args.run.as_deref())?;
    let reason = args.reason_file.as_deref().map(reason).transpose()?.unwrap_or_default();
    let ready = args.signing.ready(globals, Namespace::Signoff)?;
    // In the form of the entries' own time stamps, with which it is compared.
    let until = args.valid_until.as_deref().map(crate::sign::decision::to_microseconds);
    let (entry, rendered) = sign_off_until(&mut store, &id, args.decision == Choice::Go, until.as_deref(), &ready.by(), reason.trim())?;
    let word = if args.decision == Choice::Go { "go" } else { "no-go" };
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({
            "schema": "ledger.signed-off/1", "seq": entry.seq, "leaf": entry.leaf.to_hex(), "run": id.to_string(), "decision": word,
            "principal": ready.principal, "size": rendered.size, "root": rendered.root,
        }))?,
        MessageFormat::Human => {
            ui.answer(format!("{word} signed by {} over {} entries, root {}, as entry {}", ready.principal, rendered.size, rendered.root, entry.seq));
            ui.note("Next: ledger go-no-go, then ledger package");
        }
    }
    Ok(Exit::Good)
}
