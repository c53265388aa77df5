//! Heads that others hold: a time stamp by an RFC 3161 authority, a tag in git. The query is written here; replies are judged by
//! `openssl ts`, so that nobody has to trust our reading of them.

use std::path::Path;
use std::process::{Command, Stdio};

use chrono::NaiveDateTime;

use super::{PublishError, Result};
use crate::chain::{AnchorRow, Store, hash};
use crate::sign::stamp::StampError;

/// A time-stamp query (RFC 3161, 2.4.1) over SHA-256 of the bytes: version 1, a random nonce, the authority's certificate wanted.
pub fn query(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|e| PublishError::refused(format!("no randomness: {e}"), "try again"))?;
    // A positive DER integer of eight bytes: the first bit is clear, the second is set.
    nonce[0] = nonce[0] & 0x7f | 0x40;
    // AlgorithmIdentifier { 2.16.840.1.101.3.4.2.1 (sha256), NULL }
    let algorithm = der(0x30, &[&[0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], &[0x05, 0]]);
    let imprint = der(0x30, &[&algorithm, &der(0x04, &[&hash::sha256(bytes).0])]);
    Ok(der(0x30, &[&[0x02, 1, 1], &imprint, &der(0x02, &[&nonce]), &[0x01, 1, 0xff]]))
}

/// A DER value of fewer than 128 bytes.
fn der(tag: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let body = pieces.concat();
    let mut out = vec![tag, u8::try_from(body.len()).unwrap_or(0x7f)];
    out.extend(body);
    out
}

/// Checks a reply over these bytes against the authority's certificates; the time it vouches for, in UTC.
pub fn verified(bytes: &[u8], reply: &[u8], authorities: &Path) -> Result<NaiveDateTime> {
    crate::sign::stamp::verified(bytes, reply, authorities).map_err(|error| {
        let hint = match error {
            StampError::NotAsked(_) => "openssl must be installed and in PATH",
            StampError::DoesNotHold(_) => "is --tsa-ca the authority's own certificate, and the reply the answer to this head's query?",
        };
        PublishError::refused(error.to_string(), hint)
    })
}

/// Keeps a checked reply over the head of `size` entries beside the chain; packages carry it. Gives the row's name and the time.
pub fn import(store: &mut Store, size: u64, reply: &[u8], authorities: &Path) -> Result<(String, NaiveDateTime)> {
    let time = verified(store.checkpoint_text(size)?.as_bytes(), reply, authorities)?;
    let name = format!("rfc3161-{}.tsr", &hash::sha256(reply).to_hex()[..16]);
    store.add_anchor(&AnchorRow { size, name: name.clone(), bytes: reply.to_vec() })?;
    Ok((name, time))
}

/// Makes an annotated tag whose message is the checkpoint, in the repository that `folder` is in, and keeps the tag's object.
pub fn tag(store: &mut Store, size: u64, folder: &Path, name: &str) -> Result<String> {
    let text = store.checkpoint_text(size)?;
    let git = |args: &[&str]| -> Result<Vec<u8>> {
        let output = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| PublishError::Io { what: "cannot run git".into(), source })?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(PublishError::refused(
                format!("git {}: {}", args.first().unwrap_or(&""), String::from_utf8_lossy(&output.stderr).trim()),
                "a repository with a commit, a name that no tag has, and user.name and user.email are needed",
            )),
        }
    };
    git(&["tag", "--annotate", "--cleanup=verbatim", "--message", &text, "--", name])?;
    let object = git(&["cat-file", "tag", &format!("refs/tags/{name}")])?;
    let row = format!("git-tag-{}.txt", &hash::sha256(name.as_bytes()).to_hex()[..16]);
    store.add_anchor(&AnchorRow { size, name: row.clone(), bytes: object })?;
    Ok(row)
}
