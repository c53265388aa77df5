//! `ledger prove`.

use std::path::PathBuf;

use super::{CliError, Exit, Globals};
use crate::publish::files;
use crate::publish::heads::prove;

/// Prove that one entry is in the ledger, without showing the rest
///
/// The proof is one JSON object: the entry's bytes, the path from its leaf to the root, the checkpoint that names the root and its
/// signature. `ledger verify PROOF` checks it; so does anybody who reads docs/format.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "The smallest signed head that covers the entry is used; `ledger checkpoint --key FILE` signs one.\n\n\
                        Example:\n  ledger prove 27 --out entry-27.json\n  ledger verify entry-27.json --allowed-signers YOUR_COPY")]
pub struct Args {
    /// The entry
    seq: u64,
    /// Towards the head of the first N entries
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// Where the proof goes [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that holds something else
    #[arg(long)]
    force: bool,
}

/// Prints or writes the proof.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let store = globals.open_ledger()?;
    let len = store.len()?;
    if let Some(size) = args.size.filter(|size| *size > len || *size <= args.seq) {
        return Err(CliError::new(Exit::Usage, format!("no head of {size} entries covers entry {}", args.seq))
            .hint(format!("--size {} … {len}", args.seq.saturating_add(1))));
    }
    let proof = prove(&store, args.seq, args.size)?;
    let bytes = proof.to_bytes().map_err(|error| CliError::new(Exit::Bug, "cannot write the proof").cause(error))?;
    match &args.out {
        Some(file) => {
            files::write(file, &bytes, args.force)?;
            ui.answer(format!("{}: entry {} among {} entries, {} hashes", file.display(), args.seq, proof.checkpoint.size, proof.path.len()));
        }
        None => ui.answer(String::from_utf8_lossy(&bytes)),
    }
    if proof.signature.is_none() {
        ui.note(format!("Nobody has signed the head of {} entries: ledger checkpoint --key FILE, then prove again.", proof.checkpoint.size));
    }
    Ok(Exit::Good)
}
