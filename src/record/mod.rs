//! What the ledger's entries mean: the documents inside parts, and a run as read back from its entries.
//!
//! `run` writes by these types and every reader (resume, status, report, go-no-go) reads by them, so that the two cannot drift.
//! `chain` knows bytes, `domain` knows meaning; this module joins them and nothing else.

pub mod read;
pub mod trust;

pub use read::{History, load};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::domain::product::NotedSuite;
use crate::domain::verdict::{CheckResult, Facts, Waiver};
use crate::domain::{Evidence, Outcome, Product, RunId, TaskId};
use crate::sign::AllowedSigners;

/// The part `result.json` of a `task.result`: what the step found, as a whole. The evidence itself is in `check-<code>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultDocument {
    pub outcome: Outcome,
    pub headline: String,
    pub checks: Vec<CheckResult>,
    /// Why the step stopped before it had asked everything, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
}

/// Name of the part that holds one check's evidence.
pub fn check_part_name(code: &str) -> String {
    format!("check-{code}.json")
}

/// A part as an entry of the run carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartInfo {
    pub seq: u64,
    pub name: String,
    pub media: String,
    pub size: u64,
    /// Path in the package.
    pub path: String,
    /// Whether the payload was erased by a signed redaction.
    pub redacted: bool,
}

/// One attempt of a task: started, and perhaps finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub task: TaskId,
    pub attempt: u32,
    pub started_seq: u64,
    /// RFC 3339 UTC.
    pub started: String,
    pub actor: String,
    /// The finished attempt's entry, time and document. `None`: interrupted.
    pub result: Option<AttemptResult>,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptResult {
    pub seq: u64,
    pub finished: String,
    pub duration_us: i64,
    pub document: ResultDocument,
    pub evidence: Vec<Evidence>,
    /// The task's log, where the entry carries one that is not redacted.
    pub log: Option<LogText>,
}

/// The text of a task's log part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogText {
    pub name: String,
    pub text: String,
}

/// An entry as an index of the run lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntryInfo {
    pub seq: u64,
    /// `run.opened`, `task.result`, …
    pub kind: String,
    pub ts: String,
    pub actor: String,
    pub task: Option<TaskId>,
    pub attempt: Option<u32>,
    /// The entry's leaf hash, hex.
    pub leaf: String,
}

/// A line of the run's `allowed_signers`: what the ledger's own copy says, never a trust root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignerRecord {
    pub principal: String,
    pub namespaces: Vec<String>,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

/// A person vouching for an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttestationRecord {
    pub seq: u64,
    pub ts: String,
    pub item: String,
    pub by: String,
    pub statement: String,
    /// Why it does not count: what is wrong with its signature, or with who signed. `None`: it counts.
    pub doubt: Option<String>,
}

/// A waiver that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedWaiver {
    pub waiver: Waiver,
    /// What is wrong with its signature, or with who signed.
    pub why: String,
}

/// A signed (or refused) decision over a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionRecord {
    pub seq: u64,
    pub ts: String,
    pub principal: String,
    /// `go` or `no-go`.
    pub decision: String,
    /// The checkpoint's size N the statement is over.
    pub size: u64,
    pub statement: Vec<u8>,
    pub signature: Vec<u8>,
}

/// Evidence put on the ledger by hand or from a command.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoteRecord {
    pub seq: u64,
    pub ts: String,
    pub by: String,
    pub task: Option<TaskId>,
    pub parts: Vec<PartInfo>,
    /// The declared suite that this note fills, from its part [`SUITE_PART`].
    pub suite: Option<NotedSuite>,
}

/// Name of the part by which `ledger exec` fills a declared suite.
pub const SUITE_PART: &str = "suite.json";

/// A run as its entries tell it.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: RunId,
    pub opened_seq: u64,
    pub opened: String,
    pub actor: String,
    pub host: String,
    /// `{system_identifier, database, server_version, server_time, lsn, …}` of `run.opened`.
    pub target: serde_json::Value,
    /// The `ledger.toml` part of `run.opened`, as bytes and as read.
    pub config_bytes: Vec<u8>,
    pub config: Config,
    pub migrations_digest: String,
    pub source_commit: String,
    /// Version and digest of the tool that opened the run.
    pub tool: serde_json::Value,
    pub attempts: Vec<Attempt>,
    /// Those whose signature holds, by a key that the run's own allowed_signers gives the role.
    pub waivers: Vec<Waiver>,
    /// The others: shown, never weighed.
    pub refused: Vec<RefusedWaiver>,
    pub attestations: Vec<AttestationRecord>,
    pub decisions: Vec<DecisionRecord>,
    pub notes: Vec<NoteRecord>,
    pub parts: Vec<PartInfo>,
    /// Every entry of the run, in order.
    pub entries: Vec<EntryInfo>,
    /// Who may sign what, as `run.opened` carries it.
    pub signers: Vec<SignerRecord>,
    /// The same file as signatures are weighed by: empty where it is missing or malformed, so that nobody's statement counts.
    pub trust: AllowedSigners,
    /// Entries of finished rollbacks of the target.
    pub rollbacks: Vec<u64>,
    /// `published` entries: (entry, N, root hex).
    pub published: Vec<(u64, u64, String)>,
    /// The entry of `run.closed`, if any.
    pub closed: Option<u64>,
    /// Day of the run's last entry, `YYYY-MM-DD`: expiry is judged at it.
    pub today: String,
    /// N(run): 1 + last entry of the run whose type is not published, decision or part.redacted.
    pub cut: u64,
    /// T(run): 1 + last entry of the run.
    pub end: u64,
}

impl Run {
    /// Whether it is neither closed nor decided: what is recorded now belongs to it.
    pub fn is_open(&self) -> bool {
        self.closed.is_none() && self.decisions.is_empty()
    }

    /// What the verdict is made of.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts { rollbacks: self.rollbacks.clone(), waivers: self.waivers.clone(), ..Facts::default() };
        for attempt in &self.attempts {
            match &attempt.result {
                // A rollback that was cut off may have changed the target: what was established before it is not any more.
                None if attempt.task.as_str() == read::ROLLBACK => facts.rollbacks.push(attempt.started_seq),
                None => facts.interrupted.push((attempt.task.clone(), attempt.started_seq)),
                Some(result) => facts.results.push(crate::domain::verdict::TaskResult {
                    task: attempt.task.clone(),
                    attempt: attempt.attempt,
                    seq: result.seq,
                    ts: result.finished.clone(),
                    outcome: result.document.outcome.clone(),
                    checks: result.document.checks.clone(),
                    stopped: result.document.stopped.clone(),
                    duration_us: result.duration_us,
                }),
            }
        }
        facts
    }

    /// The latest attestation of an item that counts.
    pub fn attested(&self, item: &str) -> Option<&AttestationRecord> {
        self.attestations.iter().rev().find(|a| a.item == item && a.doubt.is_none())
    }

    /// The latest attestation of an item that does not count, and why.
    pub fn doubted(&self, item: &str) -> Option<(&AttestationRecord, &str)> {
        self.attestations.iter().rev().filter(|a| a.item == item).find_map(|a| a.doubt.as_deref().map(|why| (a, why)))
    }

    /// The deciding attempt of a task: its latest finished one.
    pub fn latest(&self, task: &TaskId) -> Option<(&Attempt, &AttemptResult)> {
        self.attempts.iter().rev().filter(|a| &a.task == task).find_map(|a| a.result.as_ref().map(|r| (a, r)))
    }

    /// The latest product of each task that has one, in plan order.
    pub fn products(&self) -> Vec<(TaskId, Product)> {
        self.config
            .plan
            .tasks
            .iter()
            .filter_map(|task| self.latest(&task.id).and_then(|(_, r)| r.document.product.clone()).map(|p| (task.id.clone(), p)))
            .collect()
    }

    /// The verdict over this run's entries.
    pub fn judgement(&self) -> crate::domain::verdict::Judgement {
        crate::domain::verdict::verdict(&self.config.plan, &self.facts(), &self.today)
    }
}
