//! Verification of a package, its unpacked folder, or a ledger, in stages; the first fault's word is the verdict.
//!
//! archive → file set → entries → head → anchors → parts → signatures → decision. Nothing is extracted, and memory is bounded by the number of
//! entries. No stage believes what a later one has not checked: names come from entries, trust from the verifier's own allowed_signers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::contents::{self, Outline, Placed, place};
use super::held::{Held, Lists, PartState, signature_name};
use super::manifest::{Manifest, parse_salts, parse_sums, parse_withheld};
pub use super::signatures::SignatureFact;
use super::write::{digest_of, outline};
use super::{Problem, scan};
use crate::chain::header::RawHeader;
use crate::chain::merkle::Tree;
use crate::chain::verify::Walk;
use crate::chain::{Checkpoint, EntryType, Fault, Hash, LedgerId, Store};
use crate::sign::decision::{Policy, Workers};
use crate::sign::{AllowedSigners, Decision, PublicKey, Signoff, evaluate};

/// What the verifier brings along. Nothing of it comes from what is verified.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The verifier's own allowed_signers. Without it, the most that can be said is INTEGRITY-ONLY.
    pub signers: Option<AllowedSigners>,
    /// Keys that the verifier no longer accepts.
    pub revoked: Vec<PublicKey>,
    /// When keys and decisions are judged, `YYYY-MM-DDTHH:MM:SS…Z`; default now.
    pub at: Option<String>,
    /// Heads that somebody else held.
    pub anchors: Vec<Checkpoint>,
    /// The ledger, and the run, that this must be.
    pub expect: Option<(LedgerId, Option<String>)>,
    /// Size and root that must be on this history.
    pub expect_head: Option<(Option<u64>, Option<Hash>)>,
    /// Of a ledger: the run whose decision is judged; default the newest.
    pub run: Option<String>,
}

/// How far a stage came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageResult {
    /// Holds, with what was looked at.
    Holds(String),
    Fault(Fault),
    NotReached,
}

/// What verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// `package` or `ledger`.
    pub what: &'static str,
    /// VERIFIED, INTEGRITY-ONLY, or the first fault's word.
    pub verdict: String,
    pub stages: Vec<(&'static str, StageResult)>,
    pub ledger_id: Option<LedgerId>,
    pub run: Option<String>,
    /// Entries that hold, and their root.
    pub size: u64,
    pub root: Option<Hash>,
    /// N of the run.
    pub cut: Option<u64>,
    /// APPROVED, DENIED, MISSING(role), STALE, EXPIRED, SOD-VIOLATION(reason); `None` without trusted signers or before that stage.
    pub decision: Option<String>,
    /// The verdict that the run's own newest publication or closing recorded.
    pub recorded_verdict: Option<String>,
    pub signatures: Vec<SignatureFact>,
    /// Parts that are lawfully absent: path, and REDACTED or WITHHELD.
    pub absent: Vec<(String, &'static str)>,
    /// What is no fault but should be known: CLOCK(seq), SIGNERS-DIFFER.
    pub findings: Vec<String>,
}

impl Verification {
    /// The first fault, if any.
    pub fn fault(&self) -> Option<&Fault> {
        self.stages.iter().find_map(|(_, result)| if let StageResult::Fault(fault) = result { Some(fault) } else { None })
    }
}

/// An entry as later stages need it.
pub(super) struct EntryFacts {
    pub outline: Outline,
    pub published: Option<(u64, Hash)>,
    ts: String,
    actor: String,
    task: Option<String>,
    attempt: Option<u32>,
    verdict: Option<String>,
}

/// The two files beside an archive.
#[derive(Clone)]
pub(super) struct Sidecar {
    pub name: String,
    pub sha256: Vec<u8>,
    pub sig: Option<Vec<u8>>,
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
    pub facts: Vec<SignatureFact>,
    pub signoffs: Vec<Signoff>,
    pub workers: Workers,
    lists: Lists,
    absent: Vec<(String, &'static str)>,
    findings: Vec<String>,
    decision: Option<Decision>,
}

/// The stages, in order.
pub const STAGES: [&str; 8] = ["archive", "files", "entries", "head", "anchors", "parts", "signatures", "decision"];

/// Verifies what lies at `path`: a package's `.zip`, an unpacked package, or a ledger. `Err` says that it could not be looked at.
pub fn verify(path: &Path, options: &Options) -> Result<Verification, Problem> {
    let meta = std::fs::metadata(path).map_err(|e| Problem::io(path, &e))?;
    if meta.is_dir() {
        return finish(Ok((Held::Folder(path.to_owned()), None)), "package", options);
    }
    let mut magic = [0; 16];
    let n = std::fs::File::open(path).and_then(|mut f| std::io::Read::read(&mut f, &mut magic)).map_err(|e| Problem::io(path, &e))?;
    if magic[..n] == *b"SQLite format 3\0" {
        return match Store::open_to_verify(path) {
            Ok(store) => verify_store(&store, options),
            Err(crate::chain::Error::Fault(fault)) => finish(Err(fault), "ledger", options),
            Err(error) => match Problem::from(error) {
                Problem::Fault(fault) => finish(Err(fault), "ledger", options),
                other => Err(other),
            },
        };
    }
    match archive(path) {
        Ok((held, sidecar)) => finish(Ok((held, Some(sidecar))), "package", options),
        Err(Problem::Fault(fault)) => finish(Err(fault), "package", options),
        Err(other) => Err(other),
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
        match std::fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Problem::io(&file, &e)),
        }
    };
    let Some(sha256) = beside(".sha256")? else {
        return Err(Fault::new(format!("MISSING({name}.sha256)"), "the file that names the archive's digest is not beside it").into());
    };
    let digest = digest_of(path)?;
    if sha256 != format!("{digest}  {name}\n").as_bytes() {
        return Err(Fault::new(format!("EDITED({name})"), format!("the archive is not the one that {name}.sha256 names")).into());
    }
    let sig = beside(".sig")?;
    Ok((Held::Archive(archive), Sidecar { name, sha256, sig }))
}

type Opened<'a> = Result<(Held<'a>, Option<Sidecar>), Fault>;

fn finish(opened: Opened<'_>, what: &'static str, options: &Options) -> Result<Verification, Problem> {
    let at = options.at.clone().unwrap_or_else(|| chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
    let mut found = Verification {
        what,
        verdict: String::new(),
        stages: STAGES.iter().map(|name| (*name, StageResult::NotReached)).collect(),
        ledger_id: None,
        run: None,
        size: 0,
        root: None,
        cut: None,
        decision: None,
        recorded_verdict: None,
        signatures: Vec::new(),
        absent: Vec::new(),
        findings: Vec::new(),
    };
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
        facts: Vec::new(),
        signoffs: Vec::new(),
        workers: Workers::default(),
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
        found.cut = Some(contents::cut(&verifier.outlines(), &verifier.run)).filter(|n| *n > 0);
        found.recorded_verdict = verifier.recorded_verdict();
        found.run = Some(verifier.run);
    }
    found.decision = verifier.decision.map(|d| d.to_string());
    found.signatures = verifier.facts;
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
            "archive" => Ok(match (&self.held, &self.sidecar) {
                (Held::Archive(_), Some(sidecar)) => format!("one way to read it; digest as in {}.sha256", sidecar.name),
                (Held::Ledger(_), _) => "a ledger's tables".into(),
                _ => "an unpacked package".into(),
            }),
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

    fn outlines(&self) -> Vec<Outline> {
        self.entries.iter().map(|e| e.outline.clone()).collect()
    }

    /// Whether a package of this run holds the parts of an entry of `run`; a ledger holds all.
    pub(super) fn is_ours(&self, run: Option<&str>) -> bool {
        !self.is_package() || run.is_none_or(|run| run == self.run)
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
        for (name, digest) in &listed {
            let mut hasher = Sha256::new();
            self.held.stream(name, &mut |piece| hasher.update(piece))?;
            if hasher.finalize().as_slice() != digest.0 {
                return fault(format!("EDITED({name})"), format!("{name} is not what SHA256SUMS lists"));
            }
        }
        Ok(format!("{} files, each as listed", files.len()))
    }

    fn check_entries(&mut self) -> Result<String, Problem> {
        let (mut walk, mut entries, mut tree) = (Walk::new(), Vec::new(), Tree::default());
        let mut attempts: BTreeMap<(String, String), u32> = BTreeMap::new();
        let mut runs = BTreeSet::new();
        let mut findings = Vec::new();
        let mut last_ts = String::new();
        self.held.entries(&mut |stored| {
            let raw = walk.next(stored)?;
            tree.push(stored.leaf);
            let facts = facts(stored.seq, &raw);
            let seq = stored.seq;
            if facts.ts < last_ts {
                findings.push(format!("CLOCK({seq}): entry {seq} is dated before the entry it follows"));
            }
            last_ts.clone_from(&facts.ts);
            let run = facts.outline.run.clone();
            if let Some(run) = &run {
                let opens = raw.kind == EntryType::RunOpened;
                if opens != runs.insert(run.clone()) {
                    return Err(Fault::new(format!("MALFORMED({seq})"), format!("run {run} is opened by its first entry, once")));
                }
            }
            if raw.kind == EntryType::TaskStarted {
                let task = facts.task.clone().unwrap_or_default();
                let before = attempts.entry((run.unwrap_or_default(), task.clone())).or_default();
                if facts.attempt != Some(*before + 1) {
                    return Err(Fault::new(format!("ATTEMPT-GAP({task})"), format!("entry {seq} is no attempt {} of {task}", *before + 1)));
                }
                *before += 1;
            }
            entries.push(facts);
            Ok(())
        })?;
        let Some(id) = walk.ledger_id() else { return fault("MALFORMED(0)", "no entry") };
        (self.id, self.entries, self.tree) = (id, entries, tree);
        self.findings.append(&mut findings);
        Ok(format!("{} entries, one chain", self.tree.size()))
    }

    fn check_head(&mut self) -> Result<String, Problem> {
        let size = self.tree.size();
        let outlines = self.outlines();
        let note = if self.is_package() {
            let Some(manifest) = self.held.small("manifest.json")?.as_deref().and_then(Manifest::parse) else {
                return fault("EDITED(manifest.json)", "manifest.json is missing or not of its one form");
            };
            self.run.clone_from(&manifest.run);
            self.check_manifest(&manifest, &outlines)?;
            for (name, _) in self.held.files()? {
                if name.starts_with("ledger/checkpoints/") {
                    self.check_checkpoint_file(&name)?;
                }
            }
            format!("size {size} and root as the manifest says")
        } else {
            let newest = outlines.iter().rev().find(|e| e.kind == EntryType::RunOpened).and_then(|e| e.run.clone());
            self.run = self.options.run.clone().or(newest).unwrap_or_default();
            if self.options.run.is_some() && contents::end(&outlines, &self.run) == 0 {
                return fault("WRONG-LEDGER", format!("this ledger has no run {}", self.run));
            }
            format!("size {size}; only an anchor shows that nothing was cut off")
        };
        if let Some((id, run)) = &self.options.expect
            && (*id != self.id
                || run.as_ref().is_some_and(|run| contents::end(&outlines, run) == 0 || (self.is_package() && *run != self.run)))
        {
            return fault("WRONG-LEDGER", "this is not the ledger or run that you expect");
        }
        self.placed = if self.is_package() { place(&outlines, &self.run) } else { all_parts(&outlines) };
        Ok(note)
    }

    fn check_manifest(&self, manifest: &Manifest, outlines: &[Outline]) -> Result<(), Problem> {
        let size = self.tree.size();
        if manifest.ledger_id != self.id {
            return fault("WRONG-LEDGER", "the manifest is another ledger's");
        }
        if manifest.size > size {
            return fault("TRUNCATED", format!("the manifest speaks of {} entries; {size} are here", manifest.size));
        }
        let (n, t) = (contents::cut(outlines, &manifest.run), contents::end(outlines, &manifest.run));
        if n == 0 {
            return fault("WRONG-LEDGER", format!("the entries have no run {}", manifest.run));
        }
        if (manifest.size, manifest.cut.0) != (t, n) || t != size {
            return fault(
                "EDITED(manifest.json)",
                format!("the run's state is {n} and its last entry {}; the manifest says otherwise", t - 1),
            );
        }
        if self.tree.root_at(t) != Some(manifest.root) || self.tree.root_at(n) != Some(manifest.cut.1) {
            return fault("REWRITTEN", "the entries have another root than the manifest says");
        }
        Ok(())
    }

    fn check_checkpoint_file(&self, name: &str) -> Result<(), Problem> {
        let text = self.held.text(name)?;
        let Some(checkpoint) = Checkpoint::parse(&text).filter(|c| *name == format!("ledger/checkpoints/{}", c.size)) else {
            return fault(format!("EDITED({name})"), format!("{name} is not a checkpoint of its size"));
        };
        self.on_this_history(name, checkpoint.ledger_id, checkpoint.size, checkpoint.root)
    }

    fn on_this_history(&self, what: &str, id: LedgerId, size: u64, root: Hash) -> Result<(), Problem> {
        if id != self.id {
            return fault("WRONG-LEDGER", format!("{what} is another ledger's"));
        }
        match self.tree.root_at(size) {
            None => fault("TRUNCATED", format!("{what} knows {size} entries; {} are here", self.tree.size())),
            Some(here) if here != root => fault("REWRITTEN", format!("{what} holds another root of the first {size} entries")),
            Some(_) => Ok(()),
        }
    }

    fn check_anchors(&mut self) -> Result<String, Problem> {
        for anchor in &self.options.anchors {
            self.on_this_history("an anchor", anchor.ledger_id, anchor.size, anchor.root)?;
        }
        let mut heads = self.options.anchors.len();
        if let Some((size, root)) = self.options.expect_head {
            let size = size.unwrap_or_else(|| self.tree.size());
            match (self.tree.root_at(size), root) {
                (None, _) => return fault("TRUNCATED", format!("you expect {size} entries; {} are here", self.tree.size())),
                (Some(here), Some(root)) if here != root => {
                    return fault("REWRITTEN", format!("you expect another root of the first {size} entries"));
                }
                _ => heads += 1,
            }
        }
        Ok(match heads {
            0 => "none given: a chain alone cannot show that nothing was cut off or rewritten as a whole".into(),
            n => format!("{n} heads that others held are on this history"),
        })
    }

    fn check_parts(&mut self) -> Result<String, Problem> {
        if self.is_package() {
            self.read_lists()?;
            self.check_names()?;
        }
        let redacted: BTreeSet<(u64, String)> =
            self.entries.iter().filter(|e| self.is_ours(e.outline.run.as_deref())).filter_map(|e| e.outline.redacts.clone()).collect();
        let mut held = 0;
        for placed in &self.placed {
            let path = &placed.path;
            match self.held.part_state(placed, &self.lists)? {
                PartState::Holds => held += 1,
                PartState::Differs if path.starts_with("report/") => {
                    return fault(
                        format!("REPORT-MISMATCH({path})"),
                        format!("{path} is not the report that entry {} published", placed.seq),
                    );
                }
                PartState::Differs => {
                    return fault(format!("EDITED({path})"), format!("{path} is not what entry {} commits to", placed.seq));
                }
                PartState::Withheld => self.absent.push((path.clone(), "WITHHELD")),
                PartState::Absent if redacted.contains(&(placed.seq, placed.part.name.clone())) => {
                    self.absent.push((path.clone(), "REDACTED"))
                }
                PartState::Absent if placed.path.starts_with("sig/") => {
                    return fault(format!("UNSIGNED({})", placed.seq), format!("{path} is gone"));
                }
                PartState::Absent => {
                    return fault(format!("MISSING({path})"), format!("entry {} names {path}, which is not here", placed.seq));
                }
            }
        }
        for entry in &self.entries {
            if let Some((size, root)) = entry.published
                && self.tree.root_at(size) != Some(root)
            {
                return fault(format!("REPORT-MISMATCH({})", entry.outline.seq), "a report was published over another history");
            }
        }
        self.compare_signers()?;
        Ok(format!("{held} payloads as their entries commit to{}", if self.absent.is_empty() { "" } else { ", others lawfully absent" }))
    }

    fn read_lists(&mut self) -> Result<(), Problem> {
        let order: BTreeMap<(u64, &str), usize> = self.placed.iter().enumerate().map(|(i, p)| ((p.seq, p.part.name.as_str()), i)).collect();
        let in_order = |names: &[(u64, &str)]| {
            let places: Option<Vec<usize>> = names.iter().map(|key| order.get(key).copied()).collect();
            places.is_some_and(|places| places.windows(2).all(|pair| pair[0] < pair[1]))
        };
        let text = self.held.text("ledger/salts")?;
        let salts = parse_salts(&text).filter(|s| in_order(&s.iter().map(|(seq, name, _)| (*seq, name.as_str())).collect::<Vec<_>>()));
        let Some(salts) = salts else { return fault("EDITED(ledger/salts)", "ledger/salts does not list this run's parts in entry order") };
        let text = self.held.text("ledger/withheld")?;
        let withheld = parse_withheld(&text).filter(|w| in_order(&w.iter().map(|(seq, name)| (*seq, name.as_str())).collect::<Vec<_>>()));
        let Some(withheld) = withheld else {
            return fault("EDITED(ledger/withheld)", "ledger/withheld does not list this run's parts in entry order");
        };
        self.lists = Lists {
            salts: salts.into_iter().map(|(seq, name, salt)| ((seq, name), salt)).collect(),
            withheld: withheld.into_iter().collect(),
        };
        if let Some((seq, name)) = self.lists.withheld.iter().find(|key| self.lists.salts.contains_key(*key)) {
            return fault("EDITED(ledger/withheld)", format!("{name} of entry {seq} is both there and withheld"));
        }
        Ok(())
    }

    /// Every file is explained by an entry, a row, or the layout.
    fn check_names(&self) -> Result<(), Problem> {
        let parts: BTreeSet<&str> =
            self.placed.iter().filter(|p| self.lists.salts.contains_key(&(p.seq, p.part.name.clone()))).map(|p| p.path.as_str()).collect();
        let fixed = ["VERIFY.md", "manifest.json", "SHA256SUMS", "ledger/entries.jsonl", "ledger/salts", "ledger/withheld"];
        let files = self.held.files()?;
        for (name, _) in &files {
            let known = fixed.contains(&name.as_str())
                || name == "tools/verify.py"
                || parts.contains(name.as_str())
                || name.starts_with("ledger/checkpoints/")
                || name.starts_with("ledger/anchors/")
                || signature_name(name).is_some();
            if !known {
                return fault(format!("EXTRA({name})"), format!("no entry names {name}"));
            }
        }
        let there = |wanted: &str| files.binary_search_by(|(name, _)| name.as_str().cmp(wanted)).is_ok();
        let size = self.tree.size();
        let checkpoint = format!("ledger/checkpoints/{size}");
        if let Some(missing) = fixed.into_iter().chain([checkpoint.as_str()]).find(|name| !there(name)) {
            return fault(format!("MISSING({missing})"), format!("the package has no {missing}"));
        }
        Ok(())
    }

    /// Whether the run was opened with other signers than the verifier trusts: to be known, not a fault.
    fn compare_signers(&mut self) -> Result<(), Problem> {
        let Some(trusted) = &self.options.signers else { return Ok(()) };
        let Some(placed) = self.placed.iter().rev().find(|p| p.part.path.as_deref() == Some("trust/allowed_signers.UNTRUSTED")) else {
            return Ok(());
        };
        let theirs = self.held.part_bytes(placed)?.map(|bytes| AllowedSigners::parse(&bytes));
        if !matches!(theirs, Some(Ok(theirs)) if theirs == *trusted) {
            self.findings.push("SIGNERS-DIFFER: the run was opened with other allowed_signers than yours".into());
        }
        Ok(())
    }

    fn check_decision(&mut self) -> Result<String, Problem> {
        if self.run.is_empty() {
            return Ok("no run yet".into());
        }
        let n = contents::cut(&self.outlines(), &self.run);
        for entry in self.entries.iter().filter(|e| e.outline.run.as_deref() == Some(self.run.as_str())) {
            if matches!(entry.outline.kind, EntryType::RunOpened | EntryType::TaskStarted | EntryType::TaskResult | EntryType::Note) {
                self.workers.principals.insert(entry.actor.clone());
            }
        }
        if self.options.signers.is_none() {
            return Ok(format!("{} sign-offs; not judged without your allowed_signers", self.signoffs.len()));
        }
        let decision = match self.policy()? {
            Some((policy, max_age_hours)) => {
                self.limit_age(max_age_hours);
                evaluate(n, &self.signoffs, &self.workers, &policy, &self.at)
            }
            // Erased: nobody can say what the policy was, so nothing meets it.
            None => Decision::Missing("policy".into()),
        };
        let note = decision.to_string();
        self.decision = Some(decision);
        Ok(note)
    }

    /// The policy of the run's own ledger.toml: it can only add to what always holds. `None`: the file was erased.
    fn policy(&self) -> Result<Option<(Policy, i64)>, Problem> {
        let of_run = |p: &&Placed| {
            p.part.path.as_deref() == Some("trust/ledger.toml")
                && usize::try_from(p.seq)
                    .ok()
                    .and_then(|i| self.entries.get(i))
                    .is_some_and(|e| e.outline.run.as_deref() == Some(self.run.as_str()))
        };
        let Some(placed) = self.placed.iter().find(of_run) else { return Ok(Some((Policy::default(), 0))) };
        let Some(bytes) = self.held.part_bytes(placed)? else { return Ok(None) };
        let table: Option<toml::Table> = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        let Some(table) = table else { return fault(format!("MALFORMED({})", placed.seq), format!("{} is not TOML", placed.path)) };
        let number = |name: &str| table.get("policy").and_then(|p| p.get(name)).and_then(toml::Value::as_integer);
        let sign_offs = u32::try_from(number("sign-offs").unwrap_or(1)).unwrap_or(u32::MAX);
        Ok(Some((Policy { sign_offs }, number("evidence-max-age-hours").unwrap_or(0))))
    }

    /// A sign-off made when the evidence it is over was older than the policy allows has expired.
    fn limit_age(&mut self, hours: i64) {
        let Some(most) = chrono::Duration::try_hours(hours).filter(|_| hours > 0) else { return };
        let time = |ts: &str| chrono::DateTime::parse_from_rfc3339(ts).ok();
        for signoff in &mut self.signoffs {
            let of_run = |e: &&EntryFacts| e.outline.run.as_deref() == Some(self.run.as_str()) && e.outline.seq < signoff.size;
            let last = self.entries.iter().rev().find(of_run).and_then(|e| time(&e.ts));
            let decided = usize::try_from(signoff.seq).ok().and_then(|i| self.entries.get(i)).and_then(|e| time(&e.ts));
            let limit = last.and_then(|last| last.checked_add_signed(most));
            if let (Some(limit), Some(decided)) = (limit, decided)
                && decided > limit
            {
                let limit = limit.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
                signoff.valid_until = Some(signoff.valid_until.take().map_or(limit.clone(), |until| until.min(limit)));
            }
        }
    }

    fn recorded_verdict(&self) -> Option<String> {
        self.entries.iter().rev().filter(|e| e.outline.run.as_deref() == Some(self.run.as_str())).find_map(|e| e.verdict.clone())
    }
}

fn facts(seq: u64, raw: &RawHeader<'_>) -> EntryFacts {
    let is = |kind| raw.kind == kind;
    let published = is(EntryType::Published)
        .then(|| raw.body_natural("size").zip(raw.body_text("root").and_then(|hex| Hash::from_hex(&hex))))
        .flatten();
    EntryFacts {
        outline: outline(seq, raw),
        published,
        ts: raw.ts.to_owned(),
        actor: raw.actor(),
        task: raw.task(),
        attempt: raw.attempt,
        verdict: (is(EntryType::Published) || is(EntryType::RunClosed)).then(|| raw.body_text("verdict")).flatten(),
    }
}

/// A ledger's parts: all of them, under the names that they would have in a package of their run.
fn all_parts(outlines: &[Outline]) -> Vec<Placed> {
    let each = |entry: &Outline| {
        let (seq, kind) = (entry.seq, entry.kind);
        entry.parts.iter().map(move |part| Placed { seq, kind, part: part.clone(), path: part.package_path(seq) }).collect::<Vec<_>>()
    };
    outlines.iter().flat_map(each).collect()
}
