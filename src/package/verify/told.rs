//! What a verification is given, and what it tells.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::SignatureFact;
use crate::chain::{Checkpoint, Fault, Hash, LedgerId};
use crate::sign::{AllowedSigners, PublicKey};

/// What the verifier brings along. Nothing of it comes from what is verified.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The verifier's own allowed_signers. Without it, the most that can be said is INTEGRITY-ONLY.
    pub signers: Option<AllowedSigners>,
    /// Keys that the verifier no longer accepts.
    pub revoked: Vec<PublicKey>,
    /// When keys and decisions are judged, `YYYY-MM-DDTHH:MM:SS…Z`; default now.
    pub at: Option<String>,
    /// When single signatures were made, where a time stamp proves it: file in the package, `YYYY-MM-DDTHH:MM:SS…Z`.
    pub times: BTreeMap<String, String>,
    /// Certificates (PEM) of the authorities whose time stamps count; without them, time stamps are not examined.
    pub tsa_ca: Option<PathBuf>,
    /// The `ledger.toml` that the run must have been opened with, byte for byte.
    pub policy: Option<Vec<u8>>,
    /// Heads that somebody else held.
    pub anchors: Vec<Checkpoint>,
    /// The ledger, and the run, that this must be.
    pub expect: Option<(LedgerId, Option<String>)>,
    /// Size and root that must be on this history.
    pub expect_head: Option<(Option<u64>, Option<Hash>)>,
    /// The leaves of another copy of the ledger, as [`leaves`] reads them.
    pub against: Option<(LedgerId, Vec<Hash>)>,
    /// Size and root of the longest state of this ledger that the user has seen before.
    pub known: Option<(u64, Hash)>,
    /// Of a ledger: the run whose decision is judged; default the newest.
    pub run: Option<String>,
}

impl Options {
    /// When keys and decisions are judged.
    pub(super) fn time(&self) -> String {
        self.at.clone().unwrap_or_else(|| chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
    }
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
    /// `package`, `ledger` or `proof`.
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
    /// Time stamps of heads that hold.
    pub stamps: Vec<Stamp>,
    /// Parts that are lawfully absent: path, and REDACTED or WITHHELD.
    pub absent: Vec<(String, &'static str)>,
    /// What is no fault but should be known: CLOCK(seq), SIGNERS-DIFFER.
    pub findings: Vec<String>,
}

impl Verification {
    /// Nothing was looked at yet.
    pub(super) fn unlooked(what: &'static str, stages: &[&'static str]) -> Self {
        Self {
            what,
            verdict: String::new(),
            stages: stages.iter().map(|name| (*name, StageResult::NotReached)).collect(),
            ledger_id: None,
            run: None,
            size: 0,
            root: None,
            cut: None,
            decision: None,
            recorded_verdict: None,
            signatures: Vec::new(),
            stamps: Vec::new(),
            absent: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// The first fault, if any.
    pub fn fault(&self) -> Option<&Fault> {
        self.stages.iter().find_map(|(_, result)| if let StageResult::Fault(fault) = result { Some(fault) } else { None })
    }
}

/// A time stamp that holds: the head of so many entries existed at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The file in the package.
    pub file: String,
    pub size: u64,
    /// `YYYY-MM-DDTHH:MM:SSZ`.
    pub time: String,
}
