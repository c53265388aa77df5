//! `ledger go-no-go`: may production be migrated? Verdict, required items, sign-off; whatever is open is named.

use std::path::PathBuf;

use super::ui::Tone;
use super::{CliError, Exit, Globals, MessageFormat, Ui};
use crate::domain::verdict::Verdict;
use crate::publish::decision;
use crate::record::{self, RefusedWaiver, Run};
use crate::report::checklist::{self, Checklist};
use crate::report::format::{Mark, visible};
use crate::sign::AllowedSigners;

/// The decision about production: verdict, required attestations, sign-off
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Who may sign what [default: allowed_signers beside ledger.toml]
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
}

/// Reads, decides, names what is open. Nothing is appended.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let store = globals.open_ledger()?;
    let id = super::report::chosen(&store, args.run.as_deref())?;
    let Some(run) = record::read::run(&store, &id)? else {
        return Err(CliError::setup(format!("the ledger has no run {id}")));
    };
    // Without a file of trusted keys nobody can have signed: the decision stays open, and says so.
    let missing = args.allowed_signers.is_none() && !globals.project_root()?.join("allowed_signers").exists();
    let signers = match missing {
        true => AllowedSigners::default(),
        false => super::signing::trusted(globals, args.allowed_signers.as_deref())?,
    };
    let state = decision::state(&store, &run, &signers, &super::signing::now())?;
    let run = decision::trusted(&store, &run, &signers)?;
    let judgement = run.judgement();
    let mut list = checklist::checklist(&run, &judgement, Some(state));
    list.open.extend(decision::doubted_waivers(&store, &run, &signers)?);
    let decided = checklist::decision(&judgement, &list);
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({
            "schema": "ledger.go-no-go/1", "run": id.to_string(), "decision": decided, "verdict": judgement.verdict,
            "reason": judgement.reason, "checklist": list, "trusted_keys": signers.signers().len(), "waivers_refused": run.refused.iter().map(refused).collect::<Vec<_>>(),
        }))?,
        MessageFormat::Human => print(&ui, &run, decided, &judgement.reason, judgement.verdict, &list, missing),
    }
    Ok(decided.into())
}

fn print(ui: &Ui, run: &Run, decided: Verdict, reason: &str, verdict: Verdict, list: &Checklist, no_keys: bool) {
    for section in &list.sections {
        ui.answer(ui.out(section.title, Tone::Strong));
        for item in &section.items {
            let mark = format!("{} {:<18}", item.mark.glyph, item.mark.word);
            let entry = item.seq.map(|seq| format!(" [{seq}]")).unwrap_or_default();
            let line = format!("  {} {} ({})", ui.out(&mark, tone(&item.mark)), visible(&item.item, false), item.id);
            ui.answer(line);
            ui.answer(format!("  {:>20}   {}{entry}", "", ui.out(&visible(&item.text, false), Tone::Muted)));
        }
        ui.answer("");
    }
    ui.answer(format!("     Run  {}", run.id));
    ui.answer(format!(" Verdict  {verdict}: {}", visible(reason, false)));
    let word = list.sign_off.as_ref().map_or("MISSING(signoff)", |s| s.word.as_str());
    ui.answer(format!("Sign-off  {word}"));
    for line in list.sign_off.iter().flat_map(|s| &s.by) {
        ui.answer(format!("          {}", visible(line, false)));
    }
    for waiver in &run.refused {
        ui.answer(format!("  Waiver  {}", visible(&refused(waiver), false)));
    }
    if no_keys {
        ui.answer("          no allowed_signers beside ledger.toml: no signature can be trusted");
    }
    ui.answer(format!("Decision  {}", ui.out(&format!("{decided}{}", because(decided, verdict, list)), of(decided))));
}

/// A waiver that does not count, in one line.
fn refused(refused: &RefusedWaiver) -> String {
    let waiver = &refused.waiver;
    format!("{} on {} by {}: not counted, {} (entry {})", waiver.check, waiver.subject, waiver.by, refused.why, waiver.seq)
}

/// What keeps the decision from GO, in a few words.
fn because(decided: Verdict, verdict: Verdict, list: &Checklist) -> String {
    if matches!(decided, Verdict::Go | Verdict::GoWithDeviations) {
        return String::new();
    }
    let mut why = Vec::new();
    if matches!(verdict, Verdict::NoGo | Verdict::Undecided) {
        why.push(format!("the verdict is {verdict}"));
    }
    if let Some(state) = list.sign_off.as_ref().filter(|s| !s.approved) {
        why.push(format!("sign-off {}", state.word));
    }
    if !list.failed.is_empty() {
        why.push(format!("failed: {}", list.failed.join(", ")));
    }
    if !list.open.is_empty() {
        why.push(format!("open: {}", list.open.join(", ")));
    }
    format!(": {}", visible(&why.join("; "), false))
}

fn tone(mark: &Mark) -> Tone {
    match mark.class {
        "pass" | "attested" => Tone::Good,
        "fail" => Tone::Bad,
        "none" => Tone::Muted,
        _ => Tone::Open,
    }
}

fn of(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Go | Verdict::GoWithDeviations => Tone::Good,
        Verdict::NoGo => Tone::Bad,
        Verdict::Undecided => Tone::Open,
    }
}
