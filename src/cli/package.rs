//! `ledger package`.

use std::path::PathBuf;

use super::globals::actor;
use super::{CliError, Exit, Globals, MessageFormat};
use crate::package::View;
use crate::publish::package::view;

/// Write the evidence package of a run: FILE.zip, FILE.zip.sha256 and, with a key, FILE.zip.sig
///
/// Packing the same state again gives the same bytes and says "unchanged". The package is also unpacked beside itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Where the package goes [default: evidence]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The OpenSSH private key (ed25519) that signs checkpoint and package, or the .pub file of one that ssh-agent holds
    #[arg(long, value_name = "FILE", env = "LEDGER_KEY")]
    key: Option<PathBuf>,
    /// A file with the key's passphrase, where the key has one
    #[arg(long, value_name = "FILE", env = "LEDGER_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Leave these parts out, for readers who may not see them; the package says which, and shares head and signatures with the whole one
    #[arg(long, value_name = "SEQ/PART", num_args = 1.., requires = "out")]
    withhold: Vec<String>,
    /// Who acts, if the report is not published yet
    #[arg(long = "as", value_name = "WHO")]
    actor: Option<String>,
    /// Replace a package of this name that holds another state
    #[arg(long)]
    force: bool,
}

/// Packs, signs, unpacks.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let mut store = globals.open_ledger_for_writing()?;
    let id = super::report::chosen(&store, args.run.as_deref())?;
    let key = args.key.as_deref().map(|key| super::signing::load(key, args.passphrase_file.as_deref())).transpose()?;
    let out = match &args.out {
        Some(dir) => dir.clone(),
        None => globals.project_root()?.join("evidence"),
    };
    let withheld = withheld(&store, &args.withhold)?;
    let packaged = view(&mut store, &id, &actor(args.actor.as_deref()), key.as_deref(), &withheld, &out, args.force)?;
    let written = &packaged.written;
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({
            "schema": "ledger.package/1", "run": id.to_string(), "zip": written.zip.display().to_string(), "sha256": written.sha256.to_hex(),
            "files": written.files, "unchanged": written.unchanged, "signature": packaged.signature.as_ref().map(|p| p.display().to_string()),
            "cut": written.manifest.cut.0, "size": written.manifest.size, "root": written.manifest.root.to_hex(),
        }))?,
        MessageFormat::Human => {
            let word = if written.unchanged { " (unchanged)" } else { "" };
            ui.answer(format!("{}{word}", written.zip.display()));
            ui.answer(format!("  sha256 {}, {} files, unpacked in {}", written.sha256, written.files, packaged.folder.display()));
            match &packaged.signature {
                Some(path) if key.is_some() => ui.answer(format!("  signed {}", path.display())),
                Some(path) => ui.answer(format!("  signed before, over these bytes: {}", path.display())),
                None => ui.note("Not signed: ledger verify says UNSIGNED until ledger package --key FILE signs it."),
            }
            ui.note(format!("Next: ledger verify {}", written.zip.display()));
        }
    }
    Ok(Exit::Good)
}

/// What is left out. A part that is not there, or that every view shows, is a mistake that would go unnoticed.
fn withheld(store: &crate::chain::Store, named: &[String]) -> Result<View, CliError> {
    let mut view = View::full();
    for name in named {
        let usage = |what: String| CliError::new(Exit::Usage, what).hint("SEQ/PART, such as 27/output.log; ledger show SEQ lists the parts");
        let found = name.split_once('/').and_then(|(seq, part)| Some((seq.parse::<u64>().ok()?, part.to_owned())));
        let (seq, part) = found.ok_or_else(|| usage(format!("`{name}` names no part")))?;
        let entry = store.entry(seq)?;
        match entry.header.parts.iter().find(|p| p.name == part).map(|p| p.package_path(seq)) {
            None => return Err(usage(format!("entry {seq} has no part {part}"))),
            Some(path) if !path.starts_with("evidence/") && !path.starts_with("queries/") => {
                return Err(usage(format!("{path} is in every view: signatures and reports are checked against it")));
            }
            Some(_) => view.withhold.insert((seq, part)),
        };
    }
    Ok(view)
}
