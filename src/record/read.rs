//! A ledger's runs, read back from their entries. What is not in an entry does not exist here.
//!
//! A payload that was erased reads as Unknown(redacted), never as a pass; one that does not hold what its writer writes is a fault.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use memchr::memmem::Finder;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Attempt, AttemptResult, AttestationRecord, DecisionRecord, EntryInfo, LogText, NoteRecord, PartInfo, RefusedWaiver, ResultDocument,
    Run, SUITE_PART, SignerRecord, check_part_name, trust,
};
use crate::chain::kind::kind_at_the_end;
use crate::chain::{Entry, EntryType, Fault, Result, Store};
use crate::config::Config;
use crate::domain::verdict::Waiver;
use crate::domain::{CheckOutcome, Evidence, Outcome, RunId, TaskId};
use crate::sign::AllowedSigners;

/// The task under which rollbacks of the target are recorded.
pub const ROLLBACK: &str = "ROLLBACK";
/// Parts of `run.opened`.
pub const CONFIG_PART: &str = "ledger.toml";
pub const SIGNERS_PART: &str = "allowed_signers.txt";

const REDACTED: &str = "redacted";

/// A whole ledger as its entries tell it.
#[derive(Clone, Debug)]
pub struct History {
    /// Hex.
    pub ledger_id: String,
    /// Entries read.
    pub size: u64,
    /// Leaf of the last of them, hex.
    pub head: String,
    /// Oldest first.
    pub runs: Vec<Run>,
}

/// All runs of the ledger.
pub fn load(store: &Store) -> Result<History> {
    load_at(store, store.len()?)
}

/// All runs as the first `size` entries tell them. Redactions count whenever they happened: the payload is gone.
pub fn load_at(store: &Store, size: u64) -> Result<History> {
    let scan = Scan::of(store, size, None)?;
    let runs = scan.ids.iter().map(|id| build(store, &scan, id)).collect::<Result<_>>()?;
    Ok(History { ledger_id: store.ledger_id().to_hex(), size, head: scan.head, runs })
}

/// A run as the entries below its cut N tell it, as the newest of `runs`, after at most `earlier` of those opened before it.
/// `None` when the ledger has no run of this name.
pub fn at_cut(store: &Store, id: &RunId, earlier: usize) -> Result<Option<History>> {
    let opened = opened(store)?;
    let Some(place) = opened.iter().position(|(known, _)| known == id) else { return Ok(None) };
    let wanted: Vec<&str> = opened[place.saturating_sub(earlier)..=place].iter().map(|(id, _)| id.as_str()).collect();
    let mut scan = Scan::of(store, store.len()?, Some(&wanted))?;
    let counts = |e: &&Entry| !outside_cut(e.header.kind);
    let Some(last) = scan.of_run.get(id.as_str()).and_then(|entries| entries.iter().rfind(counts)) else { return Ok(None) };
    let (size, head) = (last.seq + 1, last.leaf.to_hex());
    scan.cut(size);
    let runs = scan.ids.iter().map(|id| build(store, &scan, id)).collect::<Result<_>>()?;
    Ok(Some(History { ledger_id: store.ledger_id().to_hex(), size, head, runs }))
}

/// Entries that nothing signed covers: they do not move the cut.
fn outside_cut(kind: EntryType) -> bool {
    matches!(kind, EntryType::Published | EntryType::Decision | EntryType::PartRedacted)
}

/// One run, or `None` when the ledger has no run of this name.
pub fn run(store: &Store, id: &RunId) -> Result<Option<Run>> {
    run_at(store, id, store.len()?)
}

/// One run as the first `size` entries tell it.
pub fn run_at(store: &Store, id: &RunId, size: u64) -> Result<Option<Run>> {
    let scan = Scan::of(store, size, Some(&[id.as_str()]))?;
    match scan.ids.first() {
        Some(known) => build(store, &scan, known).map(Some),
        None => Ok(None),
    }
}

/// The runs with the entries that opened them, oldest first.
pub fn opened(store: &Store) -> Result<Vec<(RunId, u64)>> {
    let mut found = Vec::new();
    store.walk_hashed(|stored| {
        if matches!(kind_at_the_end(stored.header), Some(EntryType::RunOpened) | None) {
            let header = store.read(stored)?.header;
            if let (EntryType::RunOpened, Some(run)) = (header.kind, header.run) {
                found.push((RunId::new(run), stored.seq));
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// The names of the runs, oldest first.
pub fn names(store: &Store) -> Result<Vec<RunId>> {
    Ok(opened(store)?.into_iter().map(|(id, _)| id).collect())
}

/// The newest run, if there is one.
pub fn latest(store: &Store) -> Result<Option<Run>> {
    match store.newest(EntryType::RunOpened)?.and_then(|opened| opened.header.run) {
        Some(id) => run(store, &RunId::new(id)),
        None => Ok(None),
    }
}

/// The newest run where it is open.
pub fn open(store: &Store) -> Result<Option<Run>> {
    Ok(latest(store)?.filter(Run::is_open))
}

/// The headers of the runs that are asked for, sorted by run. The other entries' hashes are checked and their headers passed over.
struct Scan {
    /// In the order of `run.opened`.
    ids: Vec<String>,
    of_run: BTreeMap<String, Vec<Entry>>,
    /// Attestations made after a sign-off name their run in the statement, not in the header, so that they leave N alone.
    loose: Vec<Entry>,
    redacted: BTreeSet<(u64, String)>,
    head: String,
}

impl Scan {
    /// `wanted`: the runs whose entries are read; `None`: all.
    fn of(store: &Store, size: u64, wanted: Option<&[&str]>) -> Result<Self> {
        let (mut ids, mut of_run, mut loose) = (Vec::new(), BTreeMap::<String, Vec<Entry>>::new(), Vec::new());
        let (mut redacted, mut head) = (BTreeSet::new(), None);
        // A name needs no escape, so an entry of the run holds these very bytes; that another may hold them elsewhere costs a look, no more.
        let spelled: Option<Vec<String>> = wanted.map(|ids| ids.iter().map(|id| format!("\"run\":\"{id}\"")).collect());
        let finders: Option<Vec<Finder<'_>>> =
            spelled.as_ref().map(|spelled| spelled.iter().map(|spelled| Finder::new(spelled.as_bytes())).collect());
        let of_wanted = |header: &[u8]| finders.as_ref().is_none_or(|finders| finders.iter().any(|f| f.find(header).is_some()));
        store.walk_hashed(|stored| {
            let below = stored.seq < size;
            if below {
                head = Some(stored.leaf);
            }
            let matters = match kind_at_the_end(stored.header) {
                Some(EntryType::PartRedacted) | None => true,
                Some(EntryType::Attestation) => below,
                Some(_) => below && of_wanted(stored.header),
            };
            if !matters {
                return Ok(());
            }
            let entry = store.read(stored)?;
            let header = &entry.header;
            if header.kind == EntryType::PartRedacted
                && let (Some(seq), Some(part)) = (header.body.get("seq").and_then(Value::as_u64), text(&header.body, "part"))
            {
                redacted.insert((seq, part));
            }
            match &header.run {
                _ if !below => {}
                Some(run) if wanted.is_none_or(|wanted| wanted.contains(&run.as_str())) => {
                    if header.kind == EntryType::RunOpened {
                        ids.push(run.clone());
                    }
                    of_run.entry(run.clone()).or_default().push(entry);
                }
                None if header.kind == EntryType::Attestation => loose.push(entry),
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self { ids, of_run, loose, redacted, head: head.map(|leaf| leaf.to_hex()).unwrap_or_default() })
    }

    /// As if the ledger ended before entry `size`; redactions count all the same.
    fn cut(&mut self, size: u64) {
        for entries in self.of_run.values_mut() {
            entries.retain(|entry| entry.seq < size);
        }
        self.loose.retain(|entry| entry.seq < size);
    }

    /// The payload, or `None` when it was erased or the entry has no such part.
    fn payload(&self, store: &Store, entry: &Entry, name: &str) -> Result<Option<Vec<u8>>> {
        let there = entry.header.parts.iter().any(|p| p.name == name) && !self.redacted.contains(&(entry.seq, name.to_owned()));
        if there { store.part_of(entry, name) } else { Ok(None) }
    }

    /// The payload as the document its writer wrote.
    fn document<T: DeserializeOwned>(&self, store: &Store, entry: &Entry, name: &str) -> Result<Option<T>> {
        match self.payload(store, entry, name)? {
            None => Ok(None),
            Some(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| malformed(entry.seq, name, &error)),
        }
    }
}

fn malformed(seq: u64, name: &str, why: &dyn std::fmt::Display) -> crate::chain::Error {
    Fault::new(format!("MALFORMED({seq})"), format!("{name} of entry {seq} does not hold what it should: {why}")).into()
}

fn text(map: &serde_json::Map<String, Value>, key: &str) -> Option<String> {
    map.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn build(store: &Store, scan: &Scan, id: &str) -> Result<Run> {
    let none = Vec::new();
    let entries = scan.of_run.get(id).unwrap_or(&none);
    let Some(opened) = entries.iter().find(|e| e.header.kind == EntryType::RunOpened) else {
        return Err(Fault::new("MALFORMED(0)", format!("run {id} was never opened")).into());
    };
    let Some(config_bytes) = scan.payload(store, opened, CONFIG_PART)? else {
        return Err(malformed(opened.seq, CONFIG_PART, &"the plan is not there"));
    };
    let config = Config::parse(&config_bytes, std::path::Path::new(CONFIG_PART)).map_err(|e| malformed(opened.seq, CONFIG_PART, &e))?;
    let signers_bytes = scan.payload(store, opened, SIGNERS_PART)?.unwrap_or_default();
    let header = &opened.header;
    let mut run = Run {
        id: RunId::new(id),
        opened_seq: opened.seq,
        opened: header.ts.clone(),
        actor: header.actor.clone(),
        host: header.host.clone(),
        target: header.target.clone().map_or(Value::Null, Value::Object),
        config_bytes,
        config,
        migrations_digest: text(&header.body, "migrations_digest").unwrap_or_default(),
        source_commit: text(&header.body, "source_commit").unwrap_or_default(),
        tool: serde_json::json!({"name": header.tool.name, "version": header.tool.version, "sha256": header.tool.sha256}),
        attempts: Vec::new(),
        waivers: Vec::new(),
        refused: Vec::new(),
        attestations: Vec::new(),
        decisions: Vec::new(),
        notes: Vec::new(),
        parts: Vec::new(),
        entries: Vec::new(),
        signers: signers(&signers_bytes),
        // A file of another form gives nobody a role; what it would have given is refused with UNTRUSTED-KEY.
        trust: AllowedSigners::parse(&signers_bytes).unwrap_or_default(),
        rollbacks: Vec::new(),
        published: Vec::new(),
        closed: None,
        today: header.ts.get(..10).unwrap_or_default().to_owned(),
        cut: opened.seq + 1,
        end: opened.seq + 1,
    };
    for entry in entries {
        read_entry(store, scan, entry, &mut run)?;
    }
    for entry in &scan.loose {
        if let Some(statement) = statement(store, scan, entry)?.filter(|s| s.text("run").as_deref() == Some(id)) {
            let doubt = doubt(store, scan, entry, &run, "attestation", &statement)?;
            run.attestations.push(statement.attestation(entry, doubt));
            list(scan, entry, &mut run);
        }
    }
    run.entries.sort_by_key(|e| e.seq);
    run.parts.sort_by_key(|p| p.seq);
    // A rollback that was started and has no result may have changed the target: it counts.
    let unfinished = run.attempts.iter().filter(|a| a.task.as_str() == ROLLBACK && a.result.is_none()).map(|a| a.started_seq);
    run.rollbacks.extend(unfinished);
    run.rollbacks.sort_unstable();
    Ok(run)
}

/// The entry in the run's index, with its parts.
fn list(scan: &Scan, entry: &Entry, run: &mut Run) {
    let header = &entry.header;
    run.entries.push(EntryInfo {
        seq: entry.seq,
        kind: header.kind.as_str().to_owned(),
        ts: header.ts.clone(),
        actor: header.actor.clone(),
        task: header.task.as_deref().map(TaskId::from),
        attempt: header.attempt,
        leaf: entry.leaf.to_hex(),
    });
    run.parts.extend(parts(scan, entry));
}

fn parts(scan: &Scan, entry: &Entry) -> Vec<PartInfo> {
    let parts = entry.header.parts.iter();
    parts
        .map(|part| PartInfo {
            seq: entry.seq,
            name: part.name.clone(),
            media: part.media.clone(),
            size: part.size,
            path: part.package_path(entry.seq),
            redacted: scan.redacted.contains(&(entry.seq, part.name.clone())),
        })
        .collect()
}

fn read_entry(store: &Store, scan: &Scan, entry: &Entry, run: &mut Run) -> Result<()> {
    let header = &entry.header;
    list(scan, entry, run);
    run.end = entry.seq + 1;
    run.today = header.ts.get(..10).unwrap_or_default().to_owned();
    if !outside_cut(header.kind) {
        run.cut = entry.seq + 1;
    }
    match header.kind {
        EntryType::TaskStarted => run.attempts.push(Attempt {
            task: TaskId::new(header.task.clone().unwrap_or_default()),
            attempt: header.attempt.unwrap_or(1),
            started_seq: entry.seq,
            started: header.ts.clone(),
            actor: header.actor.clone(),
            result: None,
        }),
        EntryType::TaskResult => result(store, scan, entry, run)?,
        EntryType::Attestation => {
            if let Some(statement) = statement(store, scan, entry)? {
                let doubt = doubt(store, scan, entry, run, "attestation", &statement)?;
                run.attestations.push(statement.attestation(entry, doubt));
            }
        }
        EntryType::Waiver => {
            if let Some(statement) = statement(store, scan, entry)? {
                let waiver = Waiver {
                    check: statement.text("check").unwrap_or_default().as_str().into(),
                    subject: statement.text("subject").unwrap_or_default(),
                    until: statement.text("until").unwrap_or_default(),
                    by: statement.text("principal").unwrap_or_default(),
                    reason: statement.text("reason").unwrap_or_default(),
                    seq: entry.seq,
                };
                match doubt(store, scan, entry, run, "waiver", &statement)? {
                    None => run.waivers.push(waiver),
                    Some(why) => run.refused.push(RefusedWaiver { waiver, why }),
                }
            }
        }
        EntryType::Decision => {
            let signature = scan.payload(store, entry, "statement.sig")?.unwrap_or_default();
            if let Some(statement) = statement(store, scan, entry)? {
                run.decisions.push(DecisionRecord {
                    seq: entry.seq,
                    ts: header.ts.clone(),
                    principal: statement.text("principal").unwrap_or_default(),
                    decision: statement.text("decision").unwrap_or_default(),
                    size: statement.predicate.get("size").and_then(Value::as_u64).unwrap_or_default(),
                    statement: statement.bytes,
                    signature,
                });
            }
        }
        EntryType::Note => run.notes.push(NoteRecord {
            seq: entry.seq,
            ts: header.ts.clone(),
            by: header.actor.clone(),
            task: header.task.as_deref().map(TaskId::from),
            parts: parts(scan, entry),
            suite: scan.document(store, entry, SUITE_PART)?,
        }),
        EntryType::Published => {
            let size = header.body.get("size").and_then(Value::as_u64).unwrap_or_default();
            run.published.push((entry.seq, size, text(&header.body, "root").unwrap_or_default()));
        }
        EntryType::RunClosed => run.closed = Some(entry.seq),
        _ => {}
    }
    Ok(())
}

fn result(store: &Store, scan: &Scan, entry: &Entry, run: &mut Run) -> Result<()> {
    let header = &entry.header;
    let started = header.refs.first().copied();
    let redacted = || ResultDocument {
        outcome: Outcome::Unknown(REDACTED.into()),
        headline: String::new(),
        checks: Vec::new(),
        stopped: None,
        product: None,
    };
    let mut document: ResultDocument = scan.document(store, entry, "result.json")?.unwrap_or_else(redacted);
    let mut evidence = Vec::new();
    for check in &mut document.checks {
        match scan.document::<Evidence>(store, entry, &check_part_name(check.code.as_str()))? {
            Some(found) => evidence.push(found),
            // An outcome whose rows are gone is no longer established.
            None => check.outcome = CheckOutcome::Unknown(REDACTED.into()),
        }
    }
    let task = TaskId::new(header.task.clone().unwrap_or_default());
    let log = match run.config.plan.task(&task).map(crate::domain::plan::Task::log_name) {
        Some(name) => scan.payload(store, entry, &name)?.map(|bytes| LogText { name, text: String::from_utf8_lossy(&bytes).into_owned() }),
        None => None,
    };
    if task.as_str() == ROLLBACK && !matches!(document.outcome, Outcome::Skipped(_)) {
        run.rollbacks.push(entry.seq);
    }
    let found = AttemptResult {
        seq: entry.seq,
        finished: header.ts.clone(),
        duration_us: header.body.get("duration_us").and_then(Value::as_i64).unwrap_or_default(),
        document,
        evidence,
        log,
    };
    match run.attempts.iter_mut().find(|a| Some(a.started_seq) == started && a.task == task) {
        Some(attempt) => attempt.result = Some(found),
        None => {
            return Err(Fault::new(format!("ATTEMPT-GAP({task})"), format!("the result in entry {} refers to no start", entry.seq)).into());
        }
    }
    Ok(())
}

/// What a person signed: the predicate of an in-toto statement.
struct Statement {
    predicate: Value,
    bytes: Vec<u8>,
}

impl Statement {
    fn text(&self, key: &str) -> Option<String> {
        self.predicate.get(key).and_then(Value::as_str).map(str::to_owned)
    }

    fn attestation(&self, entry: &Entry, doubt: Option<String>) -> AttestationRecord {
        AttestationRecord {
            seq: entry.seq,
            ts: entry.header.ts.clone(),
            item: self.text("item").unwrap_or_default(),
            by: self.text("principal").unwrap_or_default(),
            statement: self.text("reason").unwrap_or_default(),
            doubt,
        }
    }
}

/// Why a statement does not count by the run's own allowed_signers at its entry's time; `None` when it does.
fn doubt(store: &Store, scan: &Scan, entry: &Entry, run: &Run, kind: &str, statement: &Statement) -> Result<Option<String>> {
    let Some(signature) = scan.payload(store, entry, "statement.sig")? else { return Ok(Some("its signature is gone".into())) };
    let carried = trust::Carried { seq: entry.seq, kind, run: run.id.as_str(), statement: &statement.bytes, signature: &signature };
    Ok(trust::weigh(store, &carried, &run.trust, &entry.header.ts)?.err())
}

fn statement(store: &Store, scan: &Scan, entry: &Entry) -> Result<Option<Statement>> {
    let Some(bytes) = scan.payload(store, entry, "statement.json")? else { return Ok(None) };
    let whole: Value = serde_json::from_slice(&bytes).map_err(|error| malformed(entry.seq, "statement.json", &error))?;
    let predicate = whole.get("predicate").cloned().unwrap_or_default();
    Ok(Some(Statement { predicate, bytes }))
}

/// The lines of an `allowed_signers` file, for display. Lines of another form are left out here; `verify` refuses them.
fn signers(bytes: &[u8]) -> Vec<SignerRecord> {
    let text = String::from_utf8_lossy(bytes);
    let line = |line: &str| {
        let (principal, rest) = line.split_once(' ')?;
        let (options, key) = rest.split_once(" ssh-ed25519 ")?;
        let (_, namespaces) = options.split_once("namespaces=\"")?;
        let (namespaces, _) = namespaces.split_once('"')?;
        let blob = STANDARD.decode(key.split(' ').next()?).ok()?;
        Some(SignerRecord {
            principal: principal.to_owned(),
            namespaces: namespaces.split(',').map(str::to_owned).collect(),
            fingerprint: format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob))),
        })
    };
    text.lines().filter_map(line).collect()
}
