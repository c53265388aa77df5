//! The walk along the chain: grammar, place, hash, for each entry in this order, and the tree beside it.

use super::hash::{Hash, LedgerId, genesis, leaf};
use super::header::RawHeader;
use super::kind::EntryType;
use super::merkle::Frontier;

/// What does not hold, as the word that verification prints and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `EDITED(7)`, `GAP(3)`, `MALFORMED-ARCHIVE(overlap)`, …
    pub word: String,
    /// One sentence for a person.
    pub why: String,
}

impl Fault {
    /// A fault by its word and reason.
    pub fn new(word: impl Into<String>, why: impl Into<String>) -> Self {
        Self { word: word.into(), why: why.into() }
    }

    /// The word without its argument.
    pub fn name(&self) -> &str {
        self.word.split('(').next().unwrap_or_default()
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.word, self.why)
    }
}

impl std::error::Error for Fault {}

/// One entry as it is stored or packed, nothing believed yet.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    pub seq: u64,
    pub header: &'a [u8],
    pub prev: Hash,
    pub leaf: Hash,
}

/// The state of a walk: feed entries in order, then ask for size and root.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    links: Links,
    tree: Frontier,
}

impl Walk {
    /// Starts before entry 0; the ledger's id is read from entry 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries that hold.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root over them.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The last leaf.
    pub fn head(&self) -> Option<Hash> {
        self.links.last
    }

    /// The ledger's id, after entry 0.
    pub fn ledger_id(&self) -> Option<LedgerId> {
        self.links.id
    }

    /// Checks the next entry: profile and shape → MALFORMED(n); seq or prev → GAP(n); leaf → EDITED(n). n is its place in the file.
    pub fn next<'a>(&mut self, stored: &Stored<'a>) -> Result<RawHeader<'a>, Fault> {
        let (raw, seen) = look(self.size(), stored, self.links.id)?;
        self.links.follow(&seen)?;
        self.tree.push(stored.leaf, |_, _, _| {});
        Ok(raw)
    }
}

/// What a walk knows of the entries so far: which ledger, and the last leaf.
#[derive(Clone, Copy, Debug, Default)]
pub struct Links {
    id: Option<LedgerId>,
    last: Option<Hash>,
}

impl Links {
    /// The ledger's id, after entry 0.
    pub fn ledger_id(&self) -> Option<LedgerId> {
        self.id
    }

    /// Checks that an entry follows the one before, and then whether it is what was hashed.
    pub fn follow(&mut self, seen: &Seen) -> Result<(), Fault> {
        let n = seen.seq;
        if seen.prev != self.last.unwrap_or_else(|| genesis(seen.id)) {
            return Err(Fault::new(format!("GAP({n})"), format!("entry {n} does not follow the entry before it")));
        }
        if !seen.hashed {
            return Err(Fault::new(format!("EDITED({n})"), format!("entry {n} is not what was hashed")));
        }
        (self.id, self.last) = (Some(seen.id), Some(seen.leaf));
        Ok(())
    }
}

/// What can be said of an entry without its neighbours, so that many are looked at at once.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub seq: u64,
    pub leaf: Hash,
    prev: Hash,
    id: LedgerId,
    /// Whether its own `prev` and header hash to its leaf.
    hashed: bool,
}

/// Looks at the entry in place `n` of the ledger `id` (of entry 0: of the ledger that it opens). What is left to say is whether its `prev`
/// is the leaf before it: [`Links::follow`].
pub fn look<'a>(n: u64, stored: &Stored<'a>, id: Option<LedgerId>) -> Result<(RawHeader<'a>, Seen), Fault> {
    let (raw, id) = read(n, stored, id.filter(|_| n > 0))?;
    let hashed = leaf(id, n, &stored.prev, stored.header) == stored.leaf;
    Ok((raw, Seen { seq: n, leaf: stored.leaf, prev: stored.prev, id, hashed }))
}

/// The header in place `n`, and the ledger's id, which entry 0 names.
fn read<'a>(n: u64, stored: &Stored<'a>, id: Option<LedgerId>) -> Result<(RawHeader<'a>, LedgerId), Fault> {
    let gap = || Fault::new(format!("GAP({n})"), format!("entry {} stands where entry {n} belongs", stored.seq));
    let raw = RawHeader::read(n, stored.header).map_err(|e| {
        // Shape depends on the place (entry 0 is ledger.opened): a removed first entry is a gap, not bad grammar.
        match stored.seq != n && RawHeader::read(stored.seq, stored.header).is_ok() {
            true => gap(),
            false => Fault::new(format!("MALFORMED({n})"), format!("header of entry {n}: {e}")),
        }
    })?;
    if stored.seq != n {
        return Err(gap());
    }
    let named = || raw.body_text("ledger_id").and_then(|hex| LedgerId::from_hex(&hex)).filter(|_| raw.kind == EntryType::LedgerOpened);
    match id.or_else(named) {
        Some(id) => Ok((raw, id)),
        None => Err(Fault::new("MALFORMED(0)", "entry 0 does not open a ledger")),
    }
}
