//! What lies where in a package: a function of the entries alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{EntryType, Part};

/// What of a run's parts a package shows. Whatever is left out is named in `ledger/withheld`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Parts to leave out: entry and part name. Statements, reports and trust files are never left out.
    pub withhold: BTreeSet<(u64, String)>,
}

impl View {
    /// Everything that survives.
    pub fn full() -> Self {
        Self::default()
    }
}

/// What packing needs of an entry's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    pub seq: u64,
    pub kind: EntryType,
    pub run: Option<String>,
    pub parts: Vec<Part>,
    /// Of `part.redacted`: the entry and the part that it erases.
    pub redacts: Option<(u64, String)>,
}

impl AsRef<Self> for Outline {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// A part with its place in the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub seq: u64,
    pub kind: EntryType,
    pub part: Part,
    pub path: String,
}

impl Placed {
    /// Whether a view may leave the part out.
    pub fn may_be_withheld(&self) -> bool {
        self.path.starts_with("evidence/") || self.path.starts_with("queries/")
    }
}

/// Where a part lies whose entry gives it no place of its own.
pub fn default_path(seq: u64, name: &str) -> String {
    format!("evidence/{seq}-{name}")
}

/// N(run): 1 + last entry of the run whose type is not published, decision or part.redacted. 0: no such run.
pub fn cut<E: AsRef<Outline>>(entries: &[E], run: &str) -> u64 {
    let counts = |kind| !matches!(kind, EntryType::Published | EntryType::Decision | EntryType::PartRedacted);
    outlines(entries).rev().find(|e| e.run.as_deref() == Some(run) && counts(e.kind)).map_or(0, |e| e.seq + 1)
}

/// T(run): 1 + last entry of the run. 0: no such run.
pub fn end<E: AsRef<Outline>>(entries: &[E], run: &str) -> u64 {
    outlines(entries).rev().find(|e| e.run.as_deref() == Some(run)).map_or(0, |e| e.seq + 1)
}

fn outlines<E: AsRef<Outline>>(entries: &[E]) -> impl DoubleEndedIterator<Item = &Outline> {
    entries.iter().map(E::as_ref)
}

/// The parts that a package of the run holds, in entry order, with their places: parts of entries of this run or of no run.
///
/// A run may have been published more than once; the newest part that names a path lies there, older ones at their default path.
pub fn place<E: AsRef<Outline>>(entries: &[E], run: &str) -> Vec<Placed> {
    let ours = |e: &&Outline| e.run.is_none() || e.run.as_deref() == Some(run);
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    for entry in outlines(entries).filter(ours) {
        for path in entry.parts.iter().filter_map(|part| part.path.as_ref()) {
            newest.insert(path.to_ascii_lowercase(), entry.seq);
        }
    }
    let mut placed = Vec::new();
    for entry in outlines(entries).filter(ours) {
        for part in &entry.parts {
            let own = part.path.as_ref().filter(|path| newest.get(&path.to_ascii_lowercase()) == Some(&entry.seq));
            let path = own.cloned().unwrap_or_else(|| default_path(entry.seq, &part.name));
            placed.push(Placed { seq: entry.seq, kind: entry.kind, part: part.clone(), path });
        }
    }
    placed
}
