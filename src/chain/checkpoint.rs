//! A checkpoint: the size and root of the tree as three lines of text (C2SP tlog-checkpoint without extension lines).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hash::{Hash, LedgerId};

/// What a checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub ledger_id: LedgerId,
    /// At least 1.
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// `ledger.invalid/<ledger_id hex>\n<size>\n<base64 root>\n`, the bytes that are signed.
    pub fn text(&self) -> String {
        format!("ledger.invalid/{}\n{}\n{}\n", self.ledger_id, self.size, STANDARD.encode(self.root.0))
    }

    /// Reads exactly what [`Self::text`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let ledger_id = LedgerId::from_hex(lines.next()?.strip_prefix("ledger.invalid/")?)?;
        let size = lines.next()?.parse().ok()?;
        let root = Hash::from_slice(&STANDARD.decode(lines.next()?).ok()?)?;
        let read = Self { ledger_id, size, root };
        // One spelling only: whatever the parts tolerate (a plus sign, other base64 tails) does not survive the comparison.
        (size >= 1 && read.text() == text).then_some(read)
    }
}
