//! `ledger attest`.

use std::path::PathBuf;

use super::signing::{Signing, reason};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::publish::statements::{attest, attestable};
use crate::record;
use crate::sign::Namespace;

/// Vouch for an item that no query can measure
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The item's id, as ledger go-no-go shows it
    item: String,
    /// What is vouched for, in words
    #[arg(long, value_name = "FILE")]
    reason_file: PathBuf,
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    signing: Signing,
}

/// Signs the statement and appends it.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let mut store = globals.open_ledger_for_writing()?;
    let id = super::report::chosen(&store, args.run.as_deref())?;
    let Some(run) = record::read::run(&store, &id)? else {
        return Err(CliError::setup(format!("the ledger has no run {id}")));
    };
    if !attestable(&run).any(|item| item == args.item) && run.config.plan.attestations.iter().all(|a| a.id != args.item) {
        let items: Vec<&str> = attestable(&run).collect();
        return Err(CliError::new(Exit::Usage, format!("the plan has no item {}", args.item)).hint(format!("one of: {}", items.join(", "))));
    }
    let reason = reason(&args.reason_file)?;
    let ready = args.signing.ready(globals, Namespace::Attestation)?;
    let entry = attest(&mut store, &run, &args.item, &ready.by(), &reason)?;
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({
            "schema": "ledger.recorded/1", "seq": entry.seq, "leaf": entry.leaf.to_hex(), "item": args.item,
        }))?,
        MessageFormat::Human => {
            ui.answer(format!("{} attested by {} as entry {}", args.item, ready.principal, entry.seq));
            if entry.header.run.is_none() {
                ui.note(
                    "The run is signed off already: the attestation stands beside it and leaves the signature good. \
                     ledger go-no-go counts it; ledger package does not pack it.",
                );
            }
        }
    }
    Ok(Exit::Good)
}
