//! The small files of a package: manifest.json, SHA256SUMS, ledger/salts, ledger/withheld, lines of ledger/entries.jsonl. One spelling each.

use serde_json::{Map, Value, json};

use crate::chain::encode::{self, Profile, natural, plain};
use crate::chain::verify::Stored;
use crate::chain::{Hash, LedgerId};

/// `manifest.json`: what the package says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub ledger_id: LedgerId,
    pub run: String,
    /// N: the state that reports and sign-offs are over.
    pub cut: (u64, Hash),
    /// T: the entries that the package holds.
    pub size: u64,
    pub root: Hash,
}

impl Manifest {
    /// Canonical bytes, without a final newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let top = json!({
            "v": 1, "ledger_id": self.ledger_id.to_hex(), "run": self.run,
            "cut": {"size": self.cut.0, "root": self.cut.1.to_hex()}, "size": self.size, "root": self.root.to_hex(),
        });
        // Numbers of entries and run names are always within the profile.
        top.as_object().and_then(|top: &Map<String, Value>| encode::canonical(top, Profile::Header).ok()).unwrap_or_default()
    }

    /// Reads exactly what [`Self::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        encode::check(bytes, Profile::Header).ok()?;
        let top: Value = serde_json::from_slice(bytes).ok()?;
        let hash = |value: &Value| value.as_str().and_then(Hash::from_hex);
        let manifest = Self {
            ledger_id: top["ledger_id"].as_str().and_then(LedgerId::from_hex)?,
            run: top["run"].as_str()?.to_owned(),
            cut: (top["cut"]["size"].as_u64()?, hash(&top["cut"]["root"])?),
            size: top["size"].as_u64()?,
            root: hash(&top["root"])?,
        };
        (manifest.to_bytes() == bytes).then_some(manifest)
    }
}

/// The lines of SHA256SUMS, sorted by name.
pub fn sums<'a>(files: impl IntoIterator<Item = (&'a str, Hash)>) -> String {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable_by_key(|(name, _)| name.as_bytes());
    files.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
}

/// Reads SHA256SUMS: names and digests, in strict byte order of names. `None`: another form.
pub fn parse_sums(text: &str) -> Option<Vec<(&str, Hash)>> {
    let lines = lines(text)?;
    let read: Option<Vec<_>> = lines.map(|line| line.split_once("  ").and_then(|(hex, name)| Some((name, Hash::from_hex(hex)?)))).collect();
    let read = read?;
    let sorted = read.windows(2).all(|pair| pair[0].0.as_bytes() < pair[1].0.as_bytes());
    (sorted && read.iter().all(|(name, _)| super::zip::is_name(name))).then_some(read)
}

/// Reads `ledger/salts`: `<seq> <name> <hex>`.
pub fn parse_salts(text: &str) -> Option<Vec<(u64, String, [u8; 32])>> {
    lines(text)?
        .map(|line| {
            let mut fields = line.split(' ');
            let (seq, name, salt) = (number(fields.next()?)?, fields.next()?, Hash::from_hex(fields.next()?)?);
            fields.next().is_none().then(|| (seq, name.to_owned(), salt.0))
        })
        .collect()
}

/// Reads `ledger/withheld`: `<seq> <name>`.
pub fn parse_withheld(text: &str) -> Option<Vec<(u64, String)>> {
    lines(text)?
        .map(|line| {
            let (seq, name) = line.split_once(' ')?;
            (!name.contains(' ')).then_some(()).and(Some((number(seq)?, name.to_owned())))
        })
        .collect()
}

/// A line of `ledger/entries.jsonl`, without its newline.
pub fn entry_line(seq: u64, prev: &Hash, leaf: &Hash, header: &[u8]) -> Vec<u8> {
    let mut line = format!("{{\"seq\":{seq},\"prev\":\"{prev}\",\"leaf\":\"{leaf}\",\"header\":").into_bytes();
    line.extend_from_slice(header);
    line.push(b'}');
    line
}

/// Reads a line of `ledger/entries.jsonl`: fixed members in fixed order, the header's bytes verbatim.
pub fn parse_entry_line(line: &[u8]) -> Option<Stored<'_>> {
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let comma = rest.iter().take(20).position(|b| *b == b',')?;
    let seq = natural(&rest[..comma])?;
    let rest = rest[comma..].strip_prefix(b",\"prev\":")?;
    let prev = Hash::from_hex(plain(rest.get(..66)?)?)?;
    let rest = rest[66..].strip_prefix(b",\"leaf\":")?;
    let leaf = Hash::from_hex(plain(rest.get(..66)?)?)?;
    let header = rest[66..].strip_prefix(b",\"header\":")?.strip_suffix(b"}")?;
    let stored = Stored { seq, header, prev, leaf };
    // A number has one spelling (no leading zero).
    (comma == 1 || line[7] != b'0').then_some(stored)
}

fn number(text: &str) -> Option<u64> {
    let n: u64 = text.parse().ok()?;
    (n.to_string() == text).then_some(n)
}

/// The lines of a text that is empty or ends with a newline.
fn lines(text: &str) -> Option<impl Iterator<Item = &str>> {
    (text.is_empty() || text.ends_with('\n')).then(|| text.split_terminator('\n'))
}
