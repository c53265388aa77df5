//! Parts as headers name them.
//!
//! Keys are sorted and nothing is optional but the path, so an element of the list has one shape:
//! `{"commit":"…","media":"…","name":"…"[,"path":"…"],"size":N}`. It is read in one pass, and nothing of it is copied: a ledger's headers are
//! mostly parts, and verification reads every one.

use super::encode::{INT_MAX, checked_string, natural, text};
use super::hash::Hash;
use super::header::{BadHeader, bad};

/// A payload that an entry commits to, as its header names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    /// Media type, such as `application/json`.
    pub media: String,
    /// Bytes.
    pub size: u64,
    pub commit: Hash,
    /// Path in the package where it is not the default.
    pub path: Option<String>,
}

impl Part {
    /// Where the part lies in a package: its own path, or `evidence/<seq>-<name>`.
    pub fn package_path(&self, seq: u64) -> String {
        self.path.clone().unwrap_or_else(|| format!("evidence/{seq}-{}", self.name))
    }
}

/// A part, borrowed from the bytes of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRef<'a> {
    pub name: &'a str,
    /// The media type as the header spells it, quotes included.
    media: &'a [u8],
    /// Bytes.
    pub size: u64,
    pub commit: Hash,
    /// Path in the package where it is not the default.
    pub path: Option<&'a str>,
}

impl PartRef<'_> {
    /// The same with text of its own.
    pub fn to_owned(&self) -> Part {
        Part {
            name: self.name.to_owned(),
            media: text(self.media).unwrap_or_default(),
            size: self.size,
            commit: self.commit,
            path: self.path.map(str::to_owned),
        }
    }
}

/// Reads the `parts` of a header, which `bytes` begin with: the parts, and how many bytes they took. Nothing is known of the bytes but that
/// they are UTF-8; what is accepted is in the profile.
pub(super) fn read_parts(bytes: &[u8]) -> Result<(Vec<PartRef<'_>>, usize), BadHeader> {
    let Some(mut rest) = bytes.strip_prefix(b"[") else { return bad("parts is not a list") };
    let mut parts: Vec<PartRef<'_>> = Vec::with_capacity(4);
    loop {
        let Some((part, after)) = read_part(rest) else {
            return bad("a part is not {commit, media, name, size} and perhaps a path, as the format has them");
        };
        for other in &parts {
            if other.name == part.name {
                return bad(format!("two parts named {}", part.name));
            }
            if other.path.zip(part.path).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b)) {
                return bad("two parts on one path");
            }
        }
        parts.push(part);
        match after.split_first() {
            Some((b',', next)) => rest = next,
            Some((b']', next)) => return Ok((parts, bytes.len() - next.len())),
            _ => return bad("parts is a list without an end"),
        }
    }
}

/// One element of the list and the bytes after it; `None` for any other shape.
fn read_part(bytes: &[u8]) -> Option<(PartRef<'_>, &[u8])> {
    let (commit, rest) = bytes.strip_prefix(b"{\"commit\":\"")?.split_at_checked(64)?;
    let commit = Hash::from_hex_bytes(commit)?;
    let (media, rest) = checked_string(rest.strip_prefix(b"\",\"media\":")?)?;
    let (name, rest) = quoted(rest.strip_prefix(b",\"name\":\"")?)?;
    let (path, rest) = match rest.strip_prefix(b",\"path\":\"") {
        Some(rest) => quoted(rest).map(|(path, rest)| (Some(path), rest))?,
        None => (None, rest),
    };
    let rest = rest.strip_prefix(b",\"size\":")?;
    let digits = rest.iter().position(|b| !b.is_ascii_digit())?;
    let size = natural(&rest[..digits]).filter(|size| (digits == 1 || rest[0] != b'0') && *size <= INT_MAX.unsigned_abs())?;
    let rest = rest[digits..].strip_prefix(b"}")?;
    let held = media != b"\"\"" && is_part_name(name) && path.is_none_or(is_part_path);
    held.then_some((PartRef { name, media, size, commit, path }, rest))
}

/// Characters of names and paths up to a quote, and the bytes after that.
fn quoted(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|b| !NAME[usize::from(*b)])?;
    let rest = bytes[end..].strip_prefix(b"\"")?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, rest))
}

/// The bytes that names and paths of parts are made of.
const NAME: [bool; 256] = {
    let mut name = [false; 256];
    let mut b = 0;
    while b < 256 {
        name[b] = matches!(b as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/');
        b += 1;
    }
    name
};

/// Whether a text can name a part: `[a-z0-9][a-z0-9._-]{0,99}` with an extension.
pub fn is_part_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let low = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let extension = bytes.iter().rev().take_while(|b| low(b)).count();
    (3..=100).contains(&bytes.len())
        && low(&bytes[0])
        && (1..bytes.len() - 1).contains(&extension)
        && bytes[bytes.len() - 1 - extension] == b'.'
        && bytes.iter().all(|b| low(b) || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether a text is an explicit path of a part: `queries/`, `trust/`, `report/` or `sig/`, then one component `[A-Za-z0-9][A-Za-z0-9._-]{0,99}`.
pub fn is_part_path(path: &str) -> bool {
    let Some((folder, file)) = path.split_once('/') else { return false };
    matches!(folder, "queries" | "trust" | "report" | "sig")
        && file.len() <= 100
        && file.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && file.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
