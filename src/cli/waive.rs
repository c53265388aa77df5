//! `ledger waive`.

use std::path::PathBuf;

use super::signing::{Signing, reason};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::publish::statements::{Accepted, waive};
use crate::record;
use crate::sign::Namespace;

/// Accept one finding, until a day, under one's own name
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The check's code
    check: String,
    /// The finding's subject, exactly as ledger show prints it
    #[arg(long, value_name = "SUBJECT")]
    subject: String,
    /// The last day on which it counts
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: String,
    /// Why it is acceptable
    #[arg(long, value_name = "FILE")]
    reason_file: PathBuf,
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    signing: Signing,
}

/// Signs the statement, appends it, and says what the verdict is now.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let mut store = globals.open_ledger_for_writing()?;
    let id = super::report::chosen(&store, args.run.as_deref())?;
    let Some(run) = record::read::run(&store, &id)? else {
        return Err(CliError::setup(format!("the ledger has no run {id}")));
    };
    let reason = reason(&args.reason_file)?;
    let ready = args.signing.ready(globals, Namespace::Waiver)?;
    let finding = Accepted { check: &args.check, subject: &args.subject, until: &args.until };
    let entry = waive(&mut store, &run, &finding, &ready.by(), &reason)?;
    let verdict = record::read::run(&store, &id)?.map(|run| run.judgement());
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({
            "schema": "ledger.recorded/1", "seq": entry.seq, "leaf": entry.leaf.to_hex(), "check": args.check,
            "subject": args.subject, "until": args.until, "verdict": verdict.map(|j| j.verdict),
        }))?,
        MessageFormat::Human => {
            ui.answer(format!("{} on {} accepted by {} until {} as entry {}", args.check, args.subject, ready.principal, args.until, entry.seq));
            if let Some(judgement) = verdict {
                ui.note(format!("Verdict {}: {}", judgement.verdict, judgement.reason));
            }
            if !run.decisions.is_empty() {
                ui.note("Decisions signed before this are STALE now.");
            }
        }
    }
    Ok(Exit::Good)
}
