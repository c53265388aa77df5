//! Redaction: one payload is erased, under somebody's name and for a reason. What the ledger says, and who signed it, stays.

use super::statements::{By, over, signed};
use super::{PublishError, Result};
use crate::chain::{Entry, EntryType, Erased, Store};
use crate::sign::Namespace;

/// What a redaction came to.
#[derive(Clone, Debug)]
pub struct Redacted {
    /// The `part.redacted` entry.
    pub entry: Entry,
    pub erased: Erased,
    /// Package paths of report files that were published before and may show what was in the part.
    pub reports: Vec<(u64, String)>,
}

/// Erases part `name` of entry `seq`. The statement names both and is signed before its entry, which belongs to the run of the entry
/// that it redacts and leaves the run's cut alone: sign-offs over it stay good.
pub fn redact(store: &mut Store, seq: u64, name: &str, by: &By<'_>, reason: &str) -> Result<Redacted> {
    let target = store.entry(seq)?;
    let Some(part) = target.header.parts.iter().find(|part| part.name == name) else {
        let names: Vec<&str> = target.header.parts.iter().map(|part| part.name.as_str()).collect();
        let hint = match names.is_empty() {
            true => "it has no parts; ledger log shows which entries have".to_owned(),
            false => format!("its parts are {}", names.join(", ")),
        };
        return Err(PublishError::refused(format!("entry {seq} has no part {name}"), hint));
    };
    if part.path.as_deref().is_some_and(|path| path.starts_with("sig/") || path.starts_with("trust/")) {
        return Err(PublishError::refused(
            format!("{} is never redacted: it is what the entry, or the run, is judged by", part.package_path(seq)),
            "redact the evidence that holds what must go",
        ));
    }
    if store.part_salt(seq, name)?.is_none() {
        return Err(PublishError::refused(
            format!("{name} of entry {seq} is redacted already"),
            "ledger redact finish takes out what another program kept from being erased",
        ));
    }
    let run = target.header.run.clone();
    let statement = over(store, "redaction", run.as_deref(), by, reason)?.with("seq", seq).with("part", name);
    let mut draft = signed(EntryType::PartRedacted, Namespace::Redaction, &statement, by)?;
    draft.run = run;
    draft.refs = vec![seq];
    let (entry, erased) = store.redact(draft, seq, name)?;
    let reports = published_since(store, &entry, seq)?;
    Ok(Redacted { entry, erased, reports })
}

/// The report files of the redaction's run that were published after the entry they may be showing.
fn published_since(store: &Store, redaction: &Entry, seq: u64) -> Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    for entry in store.entries(seq..redaction.seq) {
        let entry = entry?;
        if entry.header.kind != EntryType::Published || entry.header.run != redaction.header.run {
            continue;
        }
        for part in &entry.header.parts {
            if store.part_salt(entry.seq, &part.name)?.is_some() {
                found.push((entry.seq, part.name.clone()));
            }
        }
    }
    Ok(found)
}
