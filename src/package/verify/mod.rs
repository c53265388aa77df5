//! Verification of a package, its unpacked folder, or a ledger, in stages; the first fault's word is the verdict.
//!
//! archive → file set → entries → head → anchors → parts → signatures → decision. Nothing is extracted, and memory is bounded by the number of
//! entries. No stage believes what a later one has not checked: names come from entries, trust from the verifier's own allowed_signers.

mod decision;
mod head;
mod parts;
mod proof;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use super::contents::{self, Outline, Placed, default_path, place};
use super::held::{Committed, Held, Lists, PartState};
use super::manifest::{Manifest, parse_salts, parse_sums};
pub use super::signatures::SignatureFact;
use super::write::{digest_of, outline};
use super::{Problem, entries, scan};
use crate::chain::header::RawHeader;
use crate::chain::merkle::Tree;
use crate::chain::verify::Links;
use crate::chain::{Checkpoint, EntryType, Fault, Hash, LedgerId, Store};
use crate::sign::decision::Workers;
use crate::sign::{Decision, PublicKey, Signoff};
pub use told::{Options, StageResult, Stamp, Verification};

/// An entry as later stages need it.
pub(super) struct EntryFacts {
    pub outline: Outline,
    pub published: Option<(u64, Hash)>,
    /// `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
    ts: [u8; 27],
    /// Of entries that are a run's work: who did it.
    actor: Option<String>,
    /// Of `task.started`: the task and the attempt.
    started: Option<(String, Option<u32>)>,
    verdict: Option<String>,
}

impl AsRef<Outline> for EntryFacts {
    fn as_ref(&self) -> &Outline {
        &self.outline
    }
}

/// The two files beside an archive.
#[derive(Clone)]
pub(super) struct Sidecar {
    pub name: String,
    pub sha256: Vec<u8>,
    pub sig: Option<Vec<u8>>,
}

impl Sidecar {
    /// Whether the `.sha256` names an archive of this digest.
    fn names(&self, digest: &Hash) -> Result<(), Fault> {
        let name = &self.name;
        match self.sha256 == format!("{digest}  {name}\n").as_bytes() {
            true => Ok(()),
            false => Err(Fault::new(format!("EDITED({name})"), format!("the archive is not the one that {name}.sha256 names"))),
        }
    }
}

/// The state that stages hand on.
pub(super) struct Verifier<'a, 'o> {
    pub options: &'o Options,
    pub held: Held<'a>,
    pub sidecar: Option<Sidecar>,
    pub at: String,
    pub entries: Vec<EntryFacts>,
    pub tree: Tree,
    pub id: LedgerId,
    pub run: String,
    pub placed: Vec<Placed>,
    /// Which of them are reports, by the size that they were published at.
    pub published: BTreeMap<u64, Vec<usize>>,
    pub facts: Vec<SignatureFact>,
    pub stamps: Vec<Stamp>,
    pub signoffs: Vec<Signoff>,
    /// Good signatures for this run: role, principal, key.
    pub signed: Vec<(crate::sign::Namespace, Option<String>, PublicKey)>,
    /// Keys that an entry took away, and the first entry that did.
    pub revoked: BTreeMap<PublicKey, u64>,
    pub workers: Workers,
    /// What each file of a package hashes to, in the order of the files.
    digests: Vec<Result<(Hash, Option<Committed>), Problem>>,
    /// What a package says it is, where it says so in its one form.
    manifest: Option<Manifest>,
    /// Commitments that were made while files were hashed.
    committed: BTreeMap<String, Committed>,
    lists: Lists,
    absent: Vec<(String, &'static str)>,
    findings: Vec<String>,
    decision: Option<Decision>,
}

/// The stages, in order.
pub const STAGES: [&str; 8] = ["archive", "files", "entries", "head", "anchors", "parts", "signatures", "decision"];

/// Verifies what lies at `path`: a package's `.zip`, an unpacked package, a ledger, or the proof of one entry. `Err` says that it could
/// not be looked at.
pub fn verify(path: &Path, options: &Options) -> Result<Verification, Problem> {
    if let Some(bytes) = proof::read(path)? {
        return Ok(proof::verify(&bytes, options));
    }
    match opened(path) {
        Ok(Opened::Ledger(store)) => verify_store(&store, options),
        Ok(Opened::Package(held, sidecar)) => finish(Ok((held, sidecar)), "package", options),
        Err(NotOpened { what, problem: Problem::Fault(fault) }) => finish(Err(fault), what, options),
        Err(NotOpened { problem, .. }) => Err(problem),
    }
}

enum Opened {
    Ledger(Store),
    Package(Held<'static>, Option<Sidecar>),
}

struct NotOpened {
    what: &'static str,
    problem: Problem,
}

impl From<NotOpened> for Problem {
    fn from(error: NotOpened) -> Self {
        error.problem
    }
}

fn opened(path: &Path) -> Result<Opened, NotOpened> {
    let package = |problem| NotOpened { what: "package", problem };
    let meta = std::fs::metadata(path).map_err(|e| package(Problem::io(path, &e)))?;
    if meta.is_dir() {
        return Ok(Opened::Package(Held::Folder(path.to_owned()), None));
    }
    let mut magic = [0; 16];
    let n = std::fs::File::open(path).and_then(|mut f| f.read(&mut magic)).map_err(|e| package(Problem::io(path, &e)))?;
    if magic[..n] == *b"SQLite format 3\0" {
        return Store::open_to_verify(path).map(Opened::Ledger).map_err(|error| NotOpened { what: "ledger", problem: error.into() });
    }
    let (held, sidecar) = archive(path).map_err(package)?;
    Ok(Opened::Package(held, Some(sidecar)))
}

/// The id of the ledger that something says it is, believed by nobody: to look up what is known of it. `None`: it does not say.
pub fn ledger_id(path: &Path) -> Option<LedgerId> {
    match opened(path).ok()? {
        Opened::Ledger(store) => Some(store.ledger_id()),
        Opened::Package(held, _) => entries::first_id(&held),
    }
}

/// Every leaf of a package, its folder or a ledger, for a comparison. What does not hold by itself cannot be compared with.
pub fn leaves(path: &Path) -> Result<(LedgerId, Vec<Hash>), Problem> {
    let (mut links, mut leaves) = (Links::default(), Vec::new());
    let mut read = |held: &Held<'_>| {
        entries::each(held, &|_, _| (), &mut |seen, ()| {
            links.follow(&seen)?;
            leaves.push(seen.leaf);
            Ok(())
        })
    };
    match opened(path)? {
        Opened::Ledger(store) => read(&Held::Ledger(&store))?,
        Opened::Package(held, sidecar) => {
            if let Some(sidecar) = sidecar {
                sidecar.names(&digest_of(path)?)?;
            }
            read(&held)?;
        }
    }
    match links.ledger_id() {
        Some(id) => Ok((id, leaves)),
        None => fault("MALFORMED(0)", "no entry"),
    }
}

/// Verifies an open ledger.
pub fn verify_store(store: &Store, options: &Options) -> Result<Verification, Problem> {
    finish(Ok((Held::Ledger(store), None)), "ledger", options)
}

fn archive(path: &Path) -> Result<(Held<'static>, Sidecar), Problem> {
    let archive = scan::scan(path)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = |suffix: &str| -> Result<Option<Vec<u8>>, Problem> {
        let file = path.with_file_name(format!("{name}{suffix}"));
        let mut bytes = Vec::new();
        // Both have some hundred bytes. More than that is neither, and is not worth the memory.
        match std::fs::File::open(&file).and_then(|opened| opened.take(1 << 16).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Problem::io(&file, &e)),
        }
    };
    let Some(sha256) = beside(".sha256")? else {
        return Err(Fault::new(format!("MISSING({name}.sha256)"), "the file that names the archive's digest is not beside it").into());
    };
    let sig = beside(".sig")?;
    Ok((Held::Archive(archive), Sidecar { name, sha256, sig }))
}

fn finish(opened: Result<(Held<'_>, Option<Sidecar>), Fault>, what: &'static str, options: &Options) -> Result<Verification, Problem> {
    let at = options.time();
    let mut found = Verification::unlooked(what, &STAGES);
    let (held, sidecar) = match opened {
        Ok(opened) => opened,
        Err(fault) => {
            found.verdict = fault.word.clone();
            found.stages[0].1 = StageResult::Fault(fault);
            return Ok(found);
        }
    };
    let mut verifier = Verifier {
        options,
        held,
        sidecar,
        at,
        entries: Vec::new(),
        tree: Tree::default(),
        id: LedgerId([0; 16]),
        run: String::new(),
        placed: Vec::new(),
        published: BTreeMap::new(),
        facts: Vec::new(),
        stamps: Vec::new(),
        signoffs: Vec::new(),
        signed: Vec::new(),
        revoked: BTreeMap::new(),
        workers: Workers::default(),
        digests: Vec::new(),
        manifest: None,
        committed: BTreeMap::new(),
        lists: Lists::default(),
        absent: Vec::new(),
        findings: Vec::new(),
        decision: None,
    };
    for (i, stage) in found.stages.iter_mut().enumerate() {
        stage.1 = match verifier.stage(i) {
            Ok(note) => StageResult::Holds(note),
            Err(Problem::Fault(fault)) => StageResult::Fault(fault),
            Err(other) => return Err(other),
        };
        if matches!(stage.1, StageResult::Fault(_)) {
            break;
        }
    }
    found.verdict = match found.fault() {
        Some(fault) => fault.word.clone(),
        None if options.signers.is_none() => "INTEGRITY-ONLY".into(),
        None => "VERIFIED".into(),
    };
    if verifier.tree.size() > 0 {
        found.ledger_id = Some(verifier.id);
        found.size = verifier.tree.size();
        found.root = verifier.tree.root_at(found.size);
    }
    if !verifier.run.is_empty() {
        found.cut = Some(contents::cut(&verifier.entries, &verifier.run)).filter(|n| *n > 0);
        found.recorded_verdict = verifier.recorded_verdict();
        found.run = Some(verifier.run);
    }
    found.decision = verifier.decision.map(|d| d.to_string());
    found.signatures = verifier.facts;
    found.stamps = verifier.stamps;
    found.absent = verifier.absent;
    found.findings = verifier.findings;
    Ok(found)
}

fn fault<T>(word: impl Into<String>, why: impl Into<String>) -> Result<T, Problem> {
    Err(Fault::new(word, why).into())
}

impl Verifier<'_, '_> {
    fn stage(&mut self, index: usize) -> Result<String, Problem> {
        match STAGES[index] {
            "archive" => self.check_archive(),
            "files" => self.check_files(),
            "entries" => self.check_entries(),
            "head" => self.check_head(),
            "anchors" => self.check_anchors(),
            "parts" => self.check_parts(),
            "signatures" => self.check_signatures(),
            _ => self.check_decision(),
        }
    }

    fn is_package(&self) -> bool {
        !matches!(self.held, Held::Ledger(_))
    }

    /// Whether a package of this run holds the parts of an entry of `run`; a ledger holds all.
    pub(super) fn is_ours(&self, run: Option<&str>) -> bool {
        !self.is_package() || run.is_none_or(|run| run == self.run)
    }

    /// Hashes every byte of a package: each file, and of an archive the whole beside them. What the files must hash to is asked later.
    ///
    /// Evidence is hashed twice, for the list of files and for its entry. Which salt its entry wants is a guess until the entries are read, by
    /// the name that parts have unless their entry gives them another: a wrong guess costs time, and is made good when parts are checked.
    fn check_archive(&mut self) -> Result<String, Problem> {
        let Some(files) = self.held.package() else { return Ok("a ledger's tables".into()) };
        let salts = self.held.text("ledger/salts").ok().and_then(|text| parse_salts(&text)).unwrap_or_default();
        let salts = salts.into_iter().map(|(seq, name, salt)| (default_path(seq, &name), salt)).collect();
        let digests = files.digests(&self.held.files()?, &salts);
        self.digests = digests.of_files;
        match (digests.whole, &self.sidecar) {
            (Some(whole), Some(sidecar)) => {
                sidecar.names(&whole?)?;
                Ok(format!("one way to read it; digest as in {}.sha256", sidecar.name))
            }
            _ => Ok("an unpacked package".into()),
        }
    }

    fn check_files(&mut self) -> Result<String, Problem> {
        if !self.is_package() {
            return Ok("not a package".into());
        }
        let text = self.held.text("SHA256SUMS")?;
        let Some(sums) = parse_sums(&text) else { return fault("EDITED(SHA256SUMS)", "SHA256SUMS is not of its one form") };
        let listed: BTreeMap<&str, Hash> = sums.into_iter().collect();
        let files = self.held.files()?;
        let there: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        if let Some(name) = there.iter().find(|name| **name != "SHA256SUMS" && !listed.contains_key(**name)) {
            return fault(format!("EXTRA({name})"), format!("{name} is in no list of this package"));
        }
        if let Some(name) = listed.keys().find(|name| !there.contains(**name)) {
            return fault(format!("MISSING({name})"), format!("{name} is listed in SHA256SUMS and is not here"));
        }
        for ((name, _), found) in files.iter().zip(std::mem::take(&mut self.digests)) {
            let Some(digest) = listed.get(name.as_str()) else { continue };
            let (found, committed) = found?;
            if found != *digest {
                return fault(format!("EDITED({name})"), format!("{name} is not what SHA256SUMS lists"));
            }
            self.committed.extend(committed.map(|committed| (name.clone(), committed)));
        }
        Ok(format!("{} files, each as listed", files.len()))
    }

    fn check_entries(&mut self) -> Result<String, Problem> {
        let (mut links, mut entries, mut tree) = (Links::default(), Vec::new(), Tree::default());
        let mut runs: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
        let mut findings = Vec::new();
        // Which run the package says it is about is judged later; where that cannot be read, nothing that depends on it is reached.
        let manifest = if self.is_package() { self.held.small("manifest.json").ok().flatten() } else { None };
        self.manifest = manifest.as_deref().and_then(Manifest::parse);
        let about = self.manifest.as_ref().map(|manifest| manifest.run.clone());
        let of = |run: Option<&str>| run.is_none() || about.is_none() || run == about.as_deref();
        entries::each(&self.held, &|seq, raw| EntryFacts::of(seq, raw, of(raw.run)), &mut |seen, facts: EntryFacts| {
            links.follow(&seen)?;
            tree.push(seen.leaf);
            let seq = seen.seq;
            if entries.last().is_some_and(|before: &EntryFacts| facts.ts < before.ts) {
                findings.push(format!("CLOCK({seq}): entry {seq} is dated before the entry it follows"));
            }
            if let Some(run) = &facts.outline.run {
                let opens = facts.outline.kind == EntryType::RunOpened;
                if opens == runs.contains_key(run) {
                    return Err(Fault::new(format!("MALFORMED({seq})"), format!("run {run} is opened by its first entry, once")));
                }
                if opens {
                    runs.insert(run.clone(), BTreeMap::new());
                }
                if let Some((task, attempt)) = &facts.started
                    && let Some(attempts) = runs.get_mut(run)
                {
                    next_attempt(attempts, seq, task, *attempt)?;
                }
            }
            entries.push(facts);
            Ok(())
        })?;
        let Some(id) = links.ledger_id() else { return fault("MALFORMED(0)", "no entry") };
        (self.id, self.entries, self.tree) = (id, entries, tree);
        self.findings.append(&mut findings);
        Ok(format!("{} entries, one chain", self.tree.size()))
    }

    fn recorded_verdict(&self) -> Option<String> {
        self.entries.iter().rev().filter(|e| e.outline.run.as_deref() == Some(self.run.as_str())).find_map(|e| e.verdict.clone())
    }
}

/// Attempts of a task in a run count 1, 2, 3 …
fn next_attempt(attempts: &mut BTreeMap<String, u32>, seq: u64, task: &str, attempt: Option<u32>) -> Result<(), Fault> {
    let before = attempts.get(task).copied().unwrap_or_default();
    if attempt != before.checked_add(1) {
        return Err(Fault::new(format!("ATTEMPT-GAP({task})"), format!("entry {seq} is not the attempt after {before} of {task}")));
    }
    match attempts.get_mut(task) {
        Some(count) => *count = before + 1,
        None => drop(attempts.insert(task.to_owned(), 1)),
    }
    Ok(())
}

impl EntryFacts {
    /// Of an entry of a run that a package is not about, its parts and people are not kept: they are other packages' affair.
    fn of(seq: u64, raw: &RawHeader<'_>, ours: bool) -> Self {
        let is = |kind| raw.kind == kind;
        let published = is(EntryType::Published)
            .then(|| raw.body_natural("size").zip(raw.body_text("root").and_then(|hex| Hash::from_hex(&hex))))
            .flatten();
        let mut stamp = [0; 27];
        // A header's ts has this length, and no other.
        stamp.iter_mut().zip(raw.ts.bytes()).for_each(|(to, from)| *to = from);
        Self {
            outline: outline(seq, raw, ours),
            published,
            ts: stamp,
            actor: (ours && WORK.contains(&raw.kind)).then(|| raw.actor()),
            started: is(EntryType::TaskStarted).then(|| (raw.task().unwrap_or_default(), raw.attempt)),
            verdict: (is(EntryType::Published) || is(EntryType::RunClosed)).then(|| raw.body_text("verdict")).flatten(),
        }
    }

    /// When it was appended, by the clock of whoever did.
    fn ts(&self) -> &str {
        std::str::from_utf8(&self.ts).unwrap_or_default()
    }
}

/// The entries that are a run's work: whoever acted in them does not decide on it.
const WORK: [EntryType; 4] = [EntryType::RunOpened, EntryType::TaskStarted, EntryType::TaskResult, EntryType::Note];
