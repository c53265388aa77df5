//! Parts as headers name them.
//!
//! Keys are sorted and nothing is optional but the path, so an element of the list has one shape:
//! `{"commit":"…","media":"…","name":"…"[,"path":"…"],"size":N}`. It is read in one pass, and nothing of it is copied: a ledger's headers are
//! mostly parts, and verification reads every one.

use super::encode::{natural, plain, string, text};
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

/// Reads the `parts` of a header, whose bytes are already known to be in the profile.
pub(super) fn read_parts(list: &[u8]) -> Result<Vec<PartRef<'_>>, BadHeader> {
    let Some(mut rest) = list.strip_prefix(b"[").filter(|rest| rest.starts_with(b"{")) else {
        return bad("parts is not a list of objects");
    };
    let mut parts: Vec<PartRef<'_>> = Vec::with_capacity(4);
    loop {
        let Some((part, after)) = read_part(rest) else { return bad("a part is not {commit, media, name, size} and perhaps a path") };
        if !is_part_name(part.name) {
            return bad("a part has a name that parts do not have");
        }
        if part.path.is_some_and(|path| !is_part_path(path)) {
            return bad("a part's path is not one of the format's");
        }
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
            // The list's own end: what is in the profile closes what it opened.
            _ => return Ok(parts),
        }
    }
}

/// One element of the list and the bytes after it; `None` for any other shape.
fn read_part(bytes: &[u8]) -> Option<(PartRef<'_>, &[u8])> {
    let (commit, rest) = string(bytes.strip_prefix(b"{\"commit\":")?)?;
    let (media, rest) = string(rest.strip_prefix(b",\"media\":")?)?;
    let (name, rest) = string(rest.strip_prefix(b",\"name\":")?)?;
    let (path, rest) = match rest.strip_prefix(b",\"path\":") {
        Some(rest) => string(rest).and_then(|(path, rest)| Some((Some(plain(path)?), rest)))?,
        None => (None, rest),
    };
    let rest = rest.strip_prefix(b",\"size\":")?;
    let digits = rest.iter().position(|b| *b == b'}')?;
    let (size, rest) = (natural(&rest[..digits])?, &rest[digits + 1..]);
    let part = PartRef { name: plain(name)?, media, size, commit: Hash::from_hex(plain(commit)?)?, path };
    (media != b"\"\"").then_some((part, rest))
}

/// Whether a text can name a part: `[a-z0-9][a-z0-9._-]{0,99}` with an extension.
pub fn is_part_name(name: &str) -> bool {
    let low = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() <= 100
        && name.bytes().next().is_some_and(low)
        && name.bytes().all(|b| low(b) || matches!(b, b'.' | b'_' | b'-'))
        && name.rsplit_once('.').is_some_and(|(_, extension)| !extension.is_empty() && extension.bytes().all(low))
}

/// Whether a text is an explicit path of a part: `queries/`, `trust/`, `report/` or `sig/`, then one component `[A-Za-z0-9][A-Za-z0-9._-]{0,99}`.
pub fn is_part_path(path: &str) -> bool {
    let Some((folder, file)) = path.split_once('/') else { return false };
    matches!(folder, "queries" | "trust" | "report" | "sig")
        && file.len() <= 100
        && file.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && file.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
