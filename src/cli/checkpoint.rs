//! `ledger checkpoint`.

use std::path::PathBuf;

use super::signing::{load, now, trusted};
use super::{CliError, Exit, Globals, MessageFormat, seen};
use crate::publish::files;
use crate::publish::heads::{roles, sign_checkpoint};

/// Print the ledger's head as a checkpoint: what others keep, so that nothing can be cut off or rewritten unseen
///
/// Three lines: whose ledger, how many entries, the root over them (C2SP tlog-checkpoint). Give it to somebody else; with it,
/// `ledger verify --anchor FILE` tells a rewritten or shortened ledger from the real one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ledger checkpoint > head-of-monday\n  ledger checkpoint --key ~/.ssh/id_ed25519 --out head   # head and head.sig\n  \
                        ssh-keygen -Y verify -f allowed_signers -I ops@example.com -n checkpoint@ledger -s head.sig < head")]
pub struct Args {
    /// Of the first N entries [default: all]
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// Write it to this file, and its signature to FILE.sig
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Sign it under checkpoint@ledger: an OpenSSH private key (ed25519), or the .pub file of one that ssh-agent holds
    #[arg(long, value_name = "FILE", env = "LEDGER_KEY")]
    key: Option<PathBuf>,
    /// A file with the key's passphrase, where the key has one
    #[arg(long, value_name = "FILE", env = "LEDGER_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Replace files that hold something else
    #[arg(long)]
    force: bool,
}

/// Prints or writes the text; with a key, keeps the signature beside the chain as well.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let key = args.key.as_deref().map(|key| load(key, args.passphrase_file.as_deref())).transpose()?;
    let mut store = if key.is_some() { globals.open_ledger_for_writing()? } else { globals.open_ledger()? };
    let size = args.size.unwrap_or(store.len()?);
    let checkpoint = store.checkpoint(size)?;
    let mut signature = None;
    if let Some(key) = &key {
        if !roles(&trusted(globals, None)?, &key.public(), &now()).1 {
            return Err(CliError::setup(format!("allowed_signers does not let {} sign under checkpoint@ledger", key.public().fingerprint()))
                .hint("ledger keys list shows who may"));
        }
        sign_checkpoint(&mut store, size, key.as_ref())?;
        let id = key.public().id();
        signature = store.signatures(size)?.into_iter().find(|row| row.over == crate::chain::Signed::Checkpoint(size) && row.key == id);
    }
    if let Some(out) = &args.out {
        files::write(out, checkpoint.text().as_bytes(), args.force)?;
        if let Some(row) = &signature {
            let mut name = out.as_os_str().to_owned();
            name.push(".sig");
            files::write(&PathBuf::from(name), &row.bytes, args.force)?;
        }
    }
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({
            "schema": "ledger.checkpoint/1", "ledger_id": checkpoint.ledger_id.to_hex(), "size": size, "root": checkpoint.root.to_hex(),
            "text": checkpoint.text(), "signature": signature.map(|row| String::from_utf8_lossy(&row.bytes).into_owned()),
        }))?,
        MessageFormat::Human => ui.answer(checkpoint.text()),
    }
    seen::remember_store(&ui, &store);
    Ok(Exit::Good)
}
