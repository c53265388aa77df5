//! Hashes of the format: tags, commitments, leaves, nodes (docs/format.md, "Bytes").

use std::fmt;

use sha2::{Digest, Sha256};

/// A SHA-256 value; text form is 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// The random identity of a ledger; text form is 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerId(pub [u8; 16]);

macro_rules! hex_newtype {
    ($name:ident, $bytes:literal) => {
        impl $name {
            /// Lower-case hex, the whole value.
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }

            /// Reads exactly the form that [`Self::to_hex`] writes; upper case is refused.
            pub fn from_hex(text: &str) -> Option<Self> {
                Self::from_hex_bytes(text.as_bytes())
            }

            /// Reads the same form from bytes.
            pub fn from_hex_bytes(text: &[u8]) -> Option<Self> {
                let mut bytes = [0; $bytes];
                from_lower_hex(text, &mut bytes).then_some(Self(bytes))
            }

            /// Whether [`Self::from_hex`] would read it.
            pub fn is_hex(text: &str) -> bool {
                text.len() == 2 * $bytes && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            }

            /// Wraps stored bytes of the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.to_hex())
            }
        }
    };
}
hex_newtype!(Hash, 32);
hex_newtype!(LedgerId, 16);

/// The value of each lower-case hex digit; 0xff for every other byte.
const DIGIT: [u8; 256] = {
    let mut digit = [0xff; 256];
    let mut n = 0;
    while n < 16 {
        digit[b"0123456789abcdef"[n] as usize] = n as u8;
        n += 1;
    }
    digit
};

/// Reads lower-case hex of exactly the wanted length; whether it was that. Reading headers spends much of its time here.
fn from_lower_hex(text: &[u8], into: &mut [u8]) -> bool {
    if text.len() != 2 * into.len() {
        return false;
    }
    // What is no digit sets a high bit, which the digits never do.
    let mut seen = 0;
    for (byte, pair) in into.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (DIGIT[usize::from(pair[0])], DIGIT[usize::from(pair[1])]);
        seen |= high | low;
        *byte = high << 4 | low & 0xf;
    }
    seen < 0x10
}

/// `TAG(name)`: ASCII, padded with zero bytes to 32.
const fn tag(name: &[u8]) -> [u8; 32] {
    let mut padded = [0; 32];
    let mut i = 0;
    while i < name.len() {
        padded[i] = name[i];
        i += 1;
    }
    padded
}

const TAG_PART: [u8; 32] = tag(b"ledger/part/v1");
const TAG_ENTRY: [u8; 32] = tag(b"ledger/entry/v1");
const TAG_GENESIS: [u8; 32] = tag(b"ledger/genesis/v1");

/// SHA-256 of plain bytes.
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// `prev` of entry 0.
pub fn genesis(id: LedgerId) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(TAG_GENESIS);
    hasher.update(id.0);
    Hash(hasher.finalize().into())
}

/// The leaf of an entry: RFC 6962 leaf hash over the preimage, and the next entry's `prev`.
pub fn leaf(id: LedgerId, seq: u64, prev: &Hash, header: &[u8]) -> Hash {
    let mut fixed = [0u8; 93];
    fixed[1..33].copy_from_slice(&TAG_ENTRY);
    fixed[33..49].copy_from_slice(&id.0);
    fixed[49..57].copy_from_slice(&seq.to_be_bytes());
    fixed[57..89].copy_from_slice(&prev.0);
    // A header is at most 60 KiB; a longer one never reaches this point with meaning, and saturation keeps the function total.
    fixed[89..93].copy_from_slice(&u32::try_from(header.len()).unwrap_or(u32::MAX).to_be_bytes());
    let mut hasher = Sha256::new();
    hasher.update(fixed);
    hasher.update(header);
    Hash(hasher.finalize().into())
}

/// An inner node of the RFC 6962 tree.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1u8; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..65].copy_from_slice(&right.0);
    sha256(&bytes)
}

/// A part's commitment, computed while its payload streams by.
pub struct Commitment {
    hasher: Sha256,
    len: u64,
}

impl Commitment {
    /// Starts over a 32-byte salt.
    pub fn new(salt: &[u8; 32]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(TAG_PART);
        hasher.update(salt);
        Self { hasher, len: 0 }
    }

    /// Takes the next piece of the payload.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
    }

    /// Payload bytes taken so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the payload is empty so far.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The commitment.
    pub fn finish(mut self) -> Hash {
        self.hasher.update(self.len.to_be_bytes());
        Hash(self.hasher.finalize().into())
    }
}
