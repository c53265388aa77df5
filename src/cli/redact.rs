//! `ledger redact`.

use std::path::PathBuf;

use super::signing::{Signing, reason};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::chain::Erased;
use crate::publish::redaction::redact;
use crate::sign::Namespace;

/// Erase one recorded part for good; its entry, the chain and every signature still hold
#[derive(Debug, clap::Args)]
#[command(
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = "What stays is the commitment, the size and a signed entry that says who erased the part and why. What needed it reads as\n\
                  Unknown (redacted) from now on. Packages and report files that were written before still hold what they hold.\n\n\
                  While another program is reading the ledger the bytes cannot be taken out of the file: that is said, and the exit\n\
                  code is 21. `ledger redact finish` does the rest.\n\n\
                  Example:\n  ledger redact --seq 27 --part output.log --reason 'holds a customer name' --as dpo@example.com --key ~/.ssh/id_ed25519"
)]
pub struct Args {
    /// The entry
    #[arg(long, value_name = "N", required = true)]
    seq: Option<u64>,
    /// The part's name, as ledger show prints it
    #[arg(long, value_name = "NAME", required = true)]
    part: Option<String>,
    /// Why, in words; it is recorded, so it must not repeat what is erased
    #[arg(long, value_name = "TEXT", required_unless_present = "reason_file")]
    reason: Option<String>,
    /// The same from a file
    #[arg(long, value_name = "FILE", conflicts_with = "reason")]
    reason_file: Option<PathBuf>,
    #[command(flatten)]
    signing: Option<Signing>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Take out of the ledger's files what a redaction could not, because another program was reading them
    Finish,
}

/// Signs the statement, appends and erases in one step, and says whether the bytes are gone.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    if let Some(What::Finish) = args.what {
        let mut store = globals.open_ledger_for_writing()?;
        let erased = store.take_out_erased()?;
        if ui.format == MessageFormat::Json {
            ui.json(&serde_json::json!({"schema": "ledger.erased/1", "erased": erased == Erased::Everywhere}))?;
        } else if erased == Erased::Everywhere {
            ui.answer("nothing that was redacted is left in the ledger's files");
        }
        return ended(&erased);
    }
    let (Some(seq), Some(part), Some(signing)) = (args.seq, args.part.as_deref(), &args.signing) else {
        return Err(CliError::new(Exit::Usage, "--seq and --part name what is erased, --as and --key who does it").hint("ledger redact --help"));
    };
    let reason = match (&args.reason, &args.reason_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => reason(file)?,
        (None, None) => String::new(),
    };
    let mut store = globals.open_ledger_for_writing()?;
    let ready = signing.ready(globals, Namespace::Redaction)?;
    let done = redact(&mut store, seq, part, &ready.by(), &reason)?;
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({
            "schema": "ledger.redacted/1", "seq": done.entry.seq, "leaf": done.entry.leaf.to_hex(), "entry": seq, "part": part,
            "principal": ready.principal, "erased": done.erased == Erased::Everywhere,
            "reports": done.reports.iter().map(|(seq, name)| serde_json::json!({"seq": seq, "part": name})).collect::<Vec<_>>(),
        }))?,
        MessageFormat::Human => {
            ui.answer(format!("{part} of entry {seq} redacted by {} as entry {}", ready.principal, done.entry.seq));
            for (published, name) in &done.reports {
                ui.note(format!("Report {name} of entry {published} was published before and may show it: ledger redact --seq {published} --part {name} …"));
            }
            if let Some(run) = &done.entry.header.run {
                ui.note(format!("Files written before ({run}.zip, {run}/, logs/) still hold it. Next: ledger package --run {run} --force"));
            }
        }
    }
    ended(&done.erased)
}

/// Not yet erased is a failure to write, and says how to finish.
fn ended(erased: &Erased) -> Result<Exit, CliError> {
    match erased {
        Erased::Everywhere => Ok(Exit::Good),
        Erased::NotYet(why) => Err(CliError::new(Exit::LedgerWrite, "not yet erased: the ledger's files still hold the bytes")
            .cause(why)
            .hint("end the other program, then: ledger redact finish")),
    }
}
