//! One entry handed to a third party: its bytes, its place, and the path from its leaf to a root that a checkpoint names. Nothing else of
//! the ledger is shown.

use serde_json::{Map, Value, json};

use super::checkpoint::Checkpoint;
use super::encode::{self, Profile};
use super::hash::{self, Hash, LedgerId};
use super::header::RawHeader;
use super::store::Store;
use super::{Fault, Result, merkle};

/// A proof that an entry is in the tree of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub ledger_id: LedgerId,
    pub seq: u64,
    pub prev: Hash,
    /// The stored bytes of the header.
    pub header: String,
    /// From the leaf to the root (RFC 6962, 2.1.1).
    pub path: Vec<Hash>,
    pub checkpoint: Checkpoint,
    /// An armoured `checkpoint@ledger` signature over the checkpoint's text, where there is one.
    pub signature: Option<String>,
}

impl Store {
    /// The proof that entry `seq` is in the tree of the first `size` entries, in O(log n); unsigned.
    pub fn prove(&self, seq: u64, size: u64) -> Result<Proof> {
        let path = self.inclusion(seq, size)?;
        let entry = self.entry(seq)?;
        // What was read was believed, and believed bytes are UTF-8.
        let header = String::from_utf8_lossy(&entry.header_bytes).into_owned();
        Ok(Proof { ledger_id: self.ledger_id(), seq, prev: entry.prev, header, path, checkpoint: self.checkpoint(size)?, signature: None })
    }
}

impl Proof {
    /// Canonical JSON: `{checkpoint, header, ledger_id, path, prev, seq, signature, v}`, without a final newline.
    pub fn to_bytes(&self) -> std::result::Result<Vec<u8>, encode::Unencodable> {
        let path: Vec<String> = self.path.iter().map(Hash::to_hex).collect();
        let mut top = Map::new();
        for (key, value) in [
            ("v", json!(1)),
            ("ledger_id", self.ledger_id.to_hex().into()),
            ("seq", self.seq.into()),
            ("prev", self.prev.to_hex().into()),
            ("header", self.header.as_str().into()),
            ("path", path.into()),
            ("checkpoint", self.checkpoint.text().into()),
            ("signature", self.signature.as_deref().map_or(Value::Null, Value::from)),
        ] {
            top.insert(key.into(), value);
        }
        encode::canonical(&top, Profile::Statement)
    }

    /// Reads exactly what [`Self::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        encode::check(bytes, Profile::Statement).ok()?;
        let top: Value = serde_json::from_slice(bytes).ok()?;
        let text = |key: &str| top[key].as_str();
        let proof = Self {
            ledger_id: text("ledger_id").and_then(LedgerId::from_hex)?,
            seq: top["seq"].as_u64()?,
            prev: text("prev").and_then(Hash::from_hex)?,
            header: text("header")?.to_owned(),
            path: top["path"].as_array()?.iter().map(|hash| hash.as_str().and_then(Hash::from_hex)).collect::<Option<_>>()?,
            checkpoint: text("checkpoint").and_then(Checkpoint::parse)?,
            signature: text("signature").map(str::to_owned),
        };
        // Nothing in the bytes that this reading does not see.
        (proof.to_bytes().ok()? == bytes).then_some(proof)
    }

    /// Whether the header is one of the format, and its leaf leads to the checkpoint's root. Gives the header.
    pub fn check(&self) -> std::result::Result<RawHeader<'_>, Fault> {
        let seq = self.seq;
        let raw = RawHeader::read(seq, self.header.as_bytes())
            .map_err(|e| Fault::new(format!("MALFORMED({seq})"), format!("header of entry {seq}: {e}")))?;
        if self.checkpoint.ledger_id != self.ledger_id {
            return Err(Fault::new("WRONG-LEDGER", "the checkpoint is another ledger's"));
        }
        if seq == 0 && raw.body_text("ledger_id").as_deref() != Some(self.ledger_id.to_hex().as_str()) {
            return Err(Fault::new("WRONG-LEDGER", "entry 0 opens another ledger"));
        }
        let leaf = hash::leaf(self.ledger_id, seq, &self.prev, self.header.as_bytes());
        let Checkpoint { size, root, .. } = self.checkpoint;
        match merkle::included(&leaf, seq, size, &self.path, &root) {
            true => Ok(raw),
            false => Err(Fault::new(format!("EDITED({seq})"), format!("entry {seq} is not what the checkpoint's root was made of"))),
        }
    }
}
