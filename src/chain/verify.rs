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
    id: Option<LedgerId>,
    last: Option<Hash>,
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
        self.last
    }

    /// The ledger's id, after entry 0.
    pub fn ledger_id(&self) -> Option<LedgerId> {
        self.id
    }

    /// Checks the next entry: profile and shape → MALFORMED(n); seq or prev → GAP(n); leaf → EDITED(n). n is its place in the file.
    pub fn next<'a>(&mut self, stored: &Stored<'a>) -> Result<RawHeader<'a>, Fault> {
        let n = self.size();
        let raw = RawHeader::read(n, stored.header).map_err(|e| {
            // Shape depends on the place (entry 0 is ledger.opened): a removed first entry is a gap, not bad grammar.
            if stored.seq != n && RawHeader::read(stored.seq, stored.header).is_ok() {
                Fault::new(format!("GAP({n})"), format!("entry {} stands where entry {n} belongs", stored.seq))
            } else {
                Fault::new(format!("MALFORMED({n})"), format!("header of entry {n}: {e}"))
            }
        })?;
        if stored.seq != n {
            return Err(Fault::new(format!("GAP({n})"), format!("entry {} stands where entry {n} belongs", stored.seq)));
        }
        let id = match self.id {
            Some(id) => id,
            None => match raw.body_text("ledger_id").and_then(|hex| LedgerId::from_hex(&hex)) {
                Some(id) if raw.kind == EntryType::LedgerOpened => id,
                _ => return Err(Fault::new("MALFORMED(0)", "entry 0 does not open a ledger")),
            },
        };
        let prev = self.last.unwrap_or_else(|| genesis(id));
        if stored.prev != prev {
            return Err(Fault::new(format!("GAP({n})"), format!("entry {n} does not follow the entry before it")));
        }
        let made = leaf(id, n, &prev, stored.header);
        if made != stored.leaf {
            return Err(Fault::new(format!("EDITED({n})"), format!("entry {n} is not what was hashed")));
        }
        self.id = Some(id);
        self.last = Some(made);
        self.tree.push(made, |_, _, _| {});
        Ok(raw)
    }
}
