//! `ledger verify`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::ui::{Tone, inert};
use super::{CliError, Exit, Globals, MessageFormat, seen};
use crate::chain::{Checkpoint, Hash, LedgerId};
use crate::package::verify::{Options, StageResult, Verification, leaves, verify};
use crate::package::Problem;
use crate::chain::header::is_timestamp;
use crate::sign::AllowedSigners;
use crate::sign::decision::to_microseconds;
use crate::sign::signers::parse_revoked;

/// Check a ledger or a package, and name in one word what does not hold
///
/// Stages: archive, files, entries, head, anchors, parts, signatures, decision. The first fault's word is the verdict; exit 20.
/// Without --allowed-signers of your own the most that can be said is INTEGRITY-ONLY.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A package (.zip), an unpacked package, a ledger, or the proof of one entry [default: the project's evidence/ledger.db]
    #[arg(value_name = "LEDGER|PACKAGE|PROOF")]
    path: Option<PathBuf>,
    /// Your own copy of who may sign what: the only trust root [default for the project's own ledger: allowed_signers beside ledger.toml]
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// Public keys that you no longer accept, one `ssh-ed25519 …` a line [default for the project's own ledger: revoked_keys]
    #[arg(long, value_name = "FILE")]
    revoked_keys: Option<PathBuf>,
    /// A checkpoint that somebody else held; may be given more than once
    #[arg(long, value_name = "FILE", num_args = 1..)]
    anchor: Vec<PathBuf>,
    /// The ledger, and the run, that this must be: ID or ID/RUN
    #[arg(long, value_name = "ID[/RUN]")]
    expect: Option<String>,
    /// The root that the entries must have
    #[arg(long, value_name = "HEX")]
    expect_root: Option<String>,
    /// The number of entries that --expect-root is over
    #[arg(long, value_name = "N")]
    expect_size: Option<u64>,
    /// Another copy, or a package of it: the two must be one history
    #[arg(long, value_name = "OTHER")]
    against: Option<PathBuf>,
    /// Neither look up nor remember what you have seen of this ledger before
    #[arg(long)]
    no_state: bool,
    /// When keys and decisions are judged, YYYY-MM-DDTHH:MM:SSZ [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// When one signature was made, where a time stamp proves it: the signature's file, and the time that `openssl ts -verify` vouches for
    #[arg(long, value_name = "FILE=TIME", num_args = 1..)]
    time: Vec<String>,
    /// Certificates (PEM) of the time-stamp authorities that you trust: the time stamps kept with the heads are checked with `openssl ts`, and
    /// the keys of statements are judged at the time by which a stamp covers them
    #[arg(long, value_name = "FILE")]
    tsa_ca: Option<PathBuf>,
    /// The ledger.toml that the run must have been opened with, byte for byte: else POLICY-MISMATCH
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Of a ledger: the run whose decision is judged [default: the newest]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

/// Verifies and prints what was found.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let path = match &args.path {
        Some(path) => path.clone(),
        None => globals.ledger_path()?,
    };
    let mut options = options(args, globals)?;
    let looked = match args.no_state {
        true => verify(&path, &options),
        false => with_memory(&path, &mut options),
    };
    let found = match looked {
        Ok(found) => found,
        Err(Problem::Ledger(error)) => return Err(error.into()),
        Err(error) => return Err(CliError::setup(format!("cannot verify {}", path.display())).cause(error)),
    };
    let ui = globals.ui();
    if !args.no_state
        && found.what != "proof"
        && found.fault().is_none()
        && let (Some(id), Some(root)) = (found.ledger_id, found.root)
    {
        seen::remember(&ui, id, found.size, root);
    }
    match ui.format {
        MessageFormat::Json => ui.json(&as_json(&path, &found))?,
        MessageFormat::Human => {
            let tone = if found.fault().is_some() { Tone::Bad } else { Tone::Good };
            let verdict = ui.out(&inert(&found.verdict), tone);
            ui.answer(as_text(&path, &found, &verdict));
        }
    }
    Ok(if found.fault().is_some() { Exit::Integrity } else { Exit::Good })
}

/// Verifies, and once more where this user has seen the ledger before: whose it is stands in the entries, so they come first.
fn with_memory(path: &Path, options: &mut Options) -> Result<Verification, Problem> {
    let id = match options.expect {
        Some((id, _)) => Some(id),
        None => crate::package::verify::ledger_id(path),
    };
    options.known = id.and_then(seen::of);
    verify(path, options)
}

fn options(args: &Args, globals: &Globals) -> Result<Options, CliError> {
    let mut options = Options { at: args.at.clone(), run: args.run.clone(), ..Options::default() };
    let own = || globals.project_root().ok().map(|root| root.join("allowed_signers")).filter(|file| args.path.is_none() && file.is_file());
    if let Some(file) = args.allowed_signers.clone().or_else(own) {
        let signers = AllowedSigners::parse(&read(&file)?);
        options.signers =
            Some(signers.map_err(|error| CliError::new(Exit::Integrity, format!("MALFORMED-SIGNERS: {}", file.display())).cause(error))?);
    }
    let own_list = || globals.project_root().ok().map(|root| root.join("revoked_keys")).filter(|file| args.path.is_none() && file.is_file());
    if let Some(file) = args.revoked_keys.clone().or_else(own_list) {
        options.revoked = parse_revoked(&read(&file)?)
            .map_err(|error| CliError::new(Exit::Usage, format!("{} cannot be used", file.display())).cause(error).hint("the lines of the keys' .pub files"))?;
    }
    if let Some(file) = &args.tsa_ca {
        // Read by openssl; a file that is not there is the caller's slip and not the package's fault.
        read(file)?;
        options.tsa_ca = Some(file.clone());
    }
    if let Some(file) = &args.policy {
        options.policy = Some(read(file)?);
    }
    for given in &args.time {
        let usage = || CliError::new(Exit::Usage, format!("`{given}` is not FILE=YYYY-MM-DDTHH:MM:SSZ"));
        let (file, time) = given.split_once('=').filter(|(_, time)| is_time(time)).ok_or_else(usage)?;
        options.times.insert(file.to_owned(), time.to_owned());
    }
    for file in &args.anchor {
        let text = String::from_utf8(read(file)?).ok();
        let anchor = text.as_deref().and_then(Checkpoint::parse);
        options.anchors.push(anchor.ok_or_else(|| CliError::new(Exit::Usage, format!("{} is not a checkpoint", file.display())))?);
    }
    if let Some(other) = &args.against {
        let read = leaves(other).map_err(|error| {
            CliError::new(Exit::Integrity, format!("{} cannot be compared with", other.display()))
                .cause(error)
                .hint(format!("ledger verify {} says what does not hold", other.display()))
        })?;
        options.against = Some(read);
    }
    if let Some(expect) = &args.expect {
        let (id, run) = expect.split_once('/').map_or((expect.as_str(), None), |(id, run)| (id, Some(run.to_owned())));
        let id = LedgerId::from_hex(id).ok_or_else(|| CliError::new(Exit::Usage, "--expect is the ledger's id, 32 hex digits, and perhaps /RUN"))?;
        options.expect = Some((id, run));
    }
    let root = args.expect_root.as_ref().map(|hex| {
        Hash::from_hex(hex).ok_or_else(|| CliError::new(Exit::Usage, "--expect-root is the whole root, 64 lower-case hex digits"))
    });
    if root.is_some() || args.expect_size.is_some() {
        options.expect_head = Some((args.expect_size, root.transpose()?));
    }
    if let Some(at) = &args.at
        && !is_time(at)
    {
        return Err(CliError::new(Exit::Usage, "--at is YYYY-MM-DDTHH:MM:SSZ"));
    }
    Ok(options)
}

/// `YYYY-MM-DDTHH:MM:SSZ`, as a value parser.
pub fn time(text: &str) -> Result<String, String> {
    if is_time(text) { Ok(text.to_owned()) } else { Err("a time is YYYY-MM-DDTHH:MM:SSZ".into()) }
}

/// A real time of the format, with no or at most nine decimals.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let decimals = match bytes.get(19..) {
        Some(b"Z") => true,
        Some([b'.', fraction @ .., b'Z']) => (1..=9).contains(&fraction.len()) && fraction.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    decimals && is_timestamp(&to_microseconds(text))
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(file).map_err(|error| CliError::setup(format!("cannot read {}", file.display())).cause(error))
}

fn as_text(path: &Path, found: &Verification, verdict: &str) -> String {
    let mut out = format!("{verdict}  {} {}\n", found.what, path.display());
    let mut line = |label: &str, text: &str| out.push_str(&format!("{label:>12}  {}\n", inert(text)));
    if let Some(fault) = found.fault() {
        line("fault", &fault.why);
    }
    if let Some(id) = found.ledger_id {
        line("ledger", &id.to_hex());
        line("entries", &found.size.to_string());
    }
    if let Some(root) = found.root {
        line("root", &root.to_hex());
    }
    if let Some(run) = &found.run {
        line("run", run);
    }
    if let Some(verdict) = &found.recorded_verdict {
        line("verdict", &format!("{verdict}, as the run recorded it"));
    }
    if let Some(decision) = &found.decision {
        line("decision", decision);
    }
    for (name, result) in &found.stages {
        let text = match result {
            StageResult::Holds(note) => format!("holds   {note}"),
            StageResult::Fault(fault) => format!("FAULT   {}", fault.word),
            StageResult::NotReached => "not reached".into(),
        };
        line(name, &text);
    }
    for fact in &found.signatures {
        let who = fact.principal.as_deref().unwrap_or("somebody whom no file of yours vouches for");
        line("signed", &format!("{} under {} by {who}, key {}", fact.file, fact.namespace, fact.fingerprint));
    }
    for stamp in &found.stamps {
        line("stamped", &format!("the head of {} entries existed at {} ({})", stamp.size, stamp.time, stamp.file));
    }
    for (path, word) in &found.absent {
        line("absent", &format!("{path}: {word}"));
    }
    for finding in &found.findings {
        line("note", finding);
    }
    out
}

fn as_json(path: &Path, found: &Verification) -> serde_json::Value {
    let stages: Vec<_> = found
        .stages
        .iter()
        .map(|(name, result)| match result {
            StageResult::Holds(note) => json!({"stage": name, "result": "holds", "note": note}),
            StageResult::Fault(fault) => json!({"stage": name, "result": "fault", "word": fault.word, "why": fault.why}),
            StageResult::NotReached => json!({"stage": name, "result": "not-reached"}),
        })
        .collect();
    let signatures: Vec<_> = found
        .signatures
        .iter()
        .map(|s| json!({"file": s.file, "namespace": s.namespace, "fingerprint": s.fingerprint, "principal": s.principal}))
        .collect();
    json!({
        "schema": "ledger.verification/1",
        "path": path.display().to_string(),
        "what": found.what,
        "verdict": found.verdict,
        "fault": found.fault().map(|fault| json!({"word": fault.word, "why": fault.why})),
        "ledger_id": found.ledger_id.map(|id| id.to_hex()),
        "run": found.run,
        "size": found.size,
        "root": found.root.map(|root| root.to_hex()),
        "cut": found.cut,
        "recorded_verdict": found.recorded_verdict,
        "decision": found.decision,
        "stages": stages,
        "signatures": signatures,
        "stamps": found.stamps.iter().map(|s| json!({"file": s.file, "size": s.size, "time": s.time})).collect::<Vec<_>>(),
        "absent": found.absent.iter().map(|(path, word)| json!({"path": path, "word": word})).collect::<Vec<_>>(),
        "findings": found.findings,
    })
}
