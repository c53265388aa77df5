//! The stage of signatures: every statement, every signature beside the chain, and the package's own.

use std::collections::{BTreeMap, BTreeSet};

use super::contents::Placed;
use super::verify::{Options, Verifier};
use super::{Problem, malformed_archive};
use crate::chain::encode::STATEMENT_MAX;
use crate::chain::header::is_timestamp;
use crate::chain::{Checkpoint, EntryType, Fault, Signed, hash};
use crate::sign::signers::Standing;
use crate::sign::{Namespace, PublicKey, SignError, Signoff, Statement, sshsig, task_message};

/// A signature that is good, and what the trusted file says about its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFact {
    /// The file in the package.
    pub file: String,
    /// `signoff@ledger`, …
    pub namespace: &'static str,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The principal by the trusted file; `None` without one.
    pub principal: Option<String>,
}

/// Longest statement, and longest signature, bytes.
const LONGEST: u64 = STATEMENT_MAX as u64;

fn fault<T>(word: String, why: impl Into<String>) -> Result<T, Problem> {
    Err(Fault::new(word, why).into())
}

impl Verifier<'_, '_> {
    /// Statements in entry order, then signatures beside the chain, then the package's.
    pub(super) fn check_signatures(&mut self) -> Result<String, Problem> {
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            if entry.outline.kind.statement_kind().is_some() && self.is_ours(entry.outline.run.as_deref()) {
                self.check_statement(index)?;
            }
        }
        let of_run = |e: &&super::verify::EntryFacts| e.outline.run.as_deref() == Some(self.run.as_str());
        let opened = self.entries.iter().find(of_run).map(|e| e.outline.seq);
        for (file, row) in self.held.signatures()? {
            let (namespace, message) = match row.over {
                Signed::Task(seq) => {
                    let is_result = usize::try_from(seq)
                        .ok()
                        .and_then(|i| self.entries.get(i))
                        .is_some_and(|e| e.outline.kind == EntryType::TaskResult);
                    match self.tree.leaf(seq).filter(|_| is_result) {
                        Some(leaf) => (Namespace::Task, task_message(self.id, seq, leaf)),
                        None => return fault(format!("BAD-SIGNATURE({file})"), "it is over an entry that is no task's result"),
                    }
                }
                Signed::Checkpoint(size) => match self.tree.root_at(size) {
                    Some(root) => (Namespace::Checkpoint, Checkpoint { ledger_id: self.id, size, root }.text()),
                    None => {
                        return fault("TRUNCATED".into(), format!("{file} signs a head of {size} entries; {} are here", self.tree.size()));
                    }
                },
            };
            let key = self.signed_by(&file, &row.bytes, namespace, message.as_bytes())?;
            if key.id() != row.key {
                return fault(format!("BAD-SIGNATURE({file})"), "its name is another key's");
            }
            let (place, of_run) = match row.over {
                Signed::Task(seq) => (seq, self.entry(seq).is_some_and(|e| e.outline.run.as_deref() == Some(self.run.as_str()))),
                Signed::Checkpoint(size) => (size, opened.is_some_and(|opened| opened < size)),
            };
            let principal = self.trust(&file, &key, namespace, place)?;
            if of_run {
                self.signed.push((namespace, principal.clone(), key));
            }
            self.worked(principal, key);
        }
        if let Some(sidecar) = self.sidecar.clone() {
            let Some(sig) = &sidecar.sig else {
                return fault(format!("UNSIGNED({})", sidecar.name), format!("there is no {}.sig", sidecar.name));
            };
            let file = format!("{}.sig", sidecar.name);
            let key = self.signed_by(&file, sig, Namespace::Package, &sidecar.sha256)?;
            let principal = self.trust(&file, &key, Namespace::Package, self.tree.size())?;
            self.worked(principal, key);
        }
        let n = self.facts.len();
        Ok(match &self.options.signers {
            Some(_) => format!("{n} signatures hold, by keys that are trusted for their roles"),
            None => format!("{n} signatures hold; no allowed_signers of yours was given, so nothing is said about who signed"),
        })
    }

    fn check_statement(&mut self, index: usize) -> Result<(), Problem> {
        let entry = &self.entries[index].outline;
        let (seq, kind, run) = (entry.seq, entry.kind, entry.run.clone());
        let word = kind.statement_kind().unwrap_or_default();
        // Placed in entry order: an entry's parts stand together, and are found without a look at all others'.
        let first = self.placed.partition_point(|p| p.seq < seq);
        let find = |name: &str| self.placed[first..].iter().take_while(|p| p.seq == seq).find(|p| p.part.name == name);
        let (Some(json), Some(sig)) = (find("statement.json"), find("statement.sig")) else {
            return fault(format!("UNSIGNED({seq})"), format!("the {word} in entry {seq} carries no signed statement"));
        };
        let (file, sig_file) = (json.path.clone(), sig.path.clone());
        let (Some(bytes), Some(signature)) = (self.held.part_bytes(json, LONGEST)?, self.held.part_bytes(sig, LONGEST)?) else {
            return fault(format!("UNSIGNED({seq})"), format!("the statement of entry {seq}, or its signature, is gone"));
        };
        let statement = match Statement::parse(&bytes) {
            Ok(statement) if statement.kind == word => statement,
            Ok(statement) => return fault(format!("WRONG-TYPE({file})"), format!("a {} stands where a {word} belongs", statement.kind)),
            Err(SignError::Statement(why)) if why.contains("predicateType") => return fault(format!("WRONG-TYPE({file})"), why),
            Err(error) => return fault(format!("MALFORMED({seq})"), format!("{file}: {error}")),
        };
        if statement.ledger_id != self.id || (run.is_some() && statement.run != run) {
            return fault("WRONG-LEDGER".into(), format!("{file} speaks of another ledger or run"));
        }
        // Signed before its entry was appended, so over at most the entries before it.
        let Some(root) = self.tree.root_at(statement.size).filter(|_| statement.size <= seq) else {
            return fault(format!("MALFORMED({seq})"), format!("{file} is over {} entries, but is itself entry {seq}", statement.size));
        };
        let checkpoint = Checkpoint { ledger_id: self.id, size: statement.size, root };
        if hash::sha256(checkpoint.text().as_bytes()) != statement.checkpoint {
            return fault("REWRITTEN".into(), format!("{file} was signed over another history of {} entries", statement.size));
        }
        let key = match sshsig::SshSig::parse(&signature) {
            Ok(sig) if Namespace::of_statement(word) != Some(sig.namespace) => {
                return fault(
                    format!("WRONG-ROLE({})", statement.principal),
                    format!("{sig_file} is signed under {}", sig.namespace.as_str()),
                );
            }
            Ok(sig) => self.signed_by(&sig_file, &signature, sig.namespace, &bytes)?,
            Err(error) => return fault(format!("BAD-SIGNATURE({sig_file})"), error.to_string()),
        };
        self.check_subjects(&statement, &file)?;
        if let Some((target, part)) = &self.entries[index].outline.redacts
            && (statement.fields.get("seq").and_then(serde_json::Value::as_u64), statement.text("part"))
                != (Some(*target), Some(part.as_str()))
        {
            return fault(format!("MALFORMED({seq})"), format!("{file} is signed over another part than entry {seq} says it erases"));
        }
        let changed = statement.text("key").and_then(PublicKey::from_line);
        if word == "keys"
            && (changed.is_none() || statement.text("change").map(|change| format!("key.{change}")).as_deref() != Some(kind.as_str()))
        {
            return fault(format!("MALFORMED({seq})"), format!("{file} does not say which key a {} is about", kind.as_str()));
        }
        let Some(namespace) = Namespace::of_statement(word) else { return Err(malformed_archive("namespace")) };
        let principal = self.trust(&sig_file, &key, namespace, seq)?;
        if principal.as_ref().is_some_and(|p| *p != statement.principal) {
            return fault(
                format!("WRONG-ROLE({})", statement.principal),
                format!("{sig_file} is signed with the key of another principal"),
            );
        }
        if statement.run.as_deref() == Some(self.run.as_str()) {
            self.signed.push((namespace, principal.clone(), key));
        }
        if kind == EntryType::KeyRevoked
            && principal.is_some()
            && let Some(gone) = changed
        {
            self.revoked.entry(gone).or_insert(seq);
        }
        if kind == EntryType::Decision && run.as_deref() == Some(self.run.as_str()) {
            let go = match statement.text("decision") {
                Some("go") => true,
                Some("no-go") => false,
                _ => return fault(format!("MALFORMED({seq})"), format!("{file} decides neither go nor no-go")),
            };
            let valid_until = statement.text("valid_until").filter(|until| is_timestamp(until)).map(str::to_owned);
            if valid_until.is_none() && statement.fields.contains_key("valid_until") {
                return fault(format!("MALFORMED({seq})"), format!("the valid_until of {file} is no time of the format"));
            }
            self.signoffs.push(Signoff { seq, principal: statement.principal, key, go, size: statement.size, valid_until });
        }
        Ok(())
    }

    /// The files that a statement names besides the checkpoint are the report files published over the same state; a sign-off names all.
    fn check_subjects(&self, statement: &Statement, file: &str) -> Result<(), Problem> {
        let published: Vec<&Placed> =
            self.published.get(&statement.size).into_iter().flatten().filter_map(|index| self.placed.get(*index)).collect();
        // Of several at one path the newest counts, which is the last.
        let by_path: BTreeMap<&str, &Placed> = published.iter().filter_map(|p| Some((p.part.path.as_deref()?, *p))).collect();
        for (name, digest) in &statement.subjects {
            let Some(published) = by_path.get(name.as_str()) else {
                return fault(
                    format!("REPORT-MISMATCH({name})"),
                    format!("{file} is over a report that was not published at {}", statement.size),
                );
            };
            if self.held.part_digest(published)?.is_some_and(|found| found != *digest) {
                return fault(format!("REPORT-MISMATCH({name})"), format!("{file} was signed over another {name}"));
            }
        }
        if statement.kind == "signoff" {
            let named: BTreeSet<&str> = statement.subjects.iter().map(|(name, _)| name.as_str()).collect();
            let left_out = |p: &&Placed| {
                let of_run = self.entry(p.seq).is_some_and(|e| e.outline.run.as_deref() == Some(self.run.as_str()));
                of_run && p.part.path.as_deref().is_none_or(|path| !named.contains(path))
            };
            if let Some(left_out) = published.into_iter().find(left_out) {
                return fault(
                    format!("REPORT-MISMATCH({})", left_out.path),
                    format!("{file} leaves {} out of what it signs", left_out.path),
                );
            }
        }
        Ok(())
    }

    fn signed_by(&self, file: &str, signature: &[u8], namespace: Namespace, message: &[u8]) -> Result<PublicKey, Problem> {
        sshsig::verify(signature, namespace, message).or_else(|error| fault(format!("BAD-SIGNATURE({file})"), error.to_string()))
    }

    /// What the verifier's own file says: the principal, or a fault; `None` when no file was given.
    /// `place`: the signature was made when the ledger had at least so many entries, so that a revocation before it counts.
    fn trust(&mut self, file: &str, key: &PublicKey, namespace: Namespace, place: u64) -> Result<Option<String>, Problem> {
        let at = self.stamped_statement(file, place).unwrap_or(&self.at);
        let principal = standing(self.options, file, key, namespace, at)?;
        if let Some(seq) = self.revoked.get(key).filter(|seq| **seq < place && principal.is_some()) {
            return fault(format!("KEY-REVOKED({file})"), format!("entry {seq} took the key {} away", key.fingerprint()));
        }
        let fingerprint = key.fingerprint();
        self.facts.push(SignatureFact { file: file.to_owned(), namespace: namespace.as_str(), fingerprint, principal: principal.clone() });
        Ok(principal)
    }

    /// When a statement's signature was there at the latest, by a time stamp of a head that covers its entry. What lies beside the chain is
    /// covered by none.
    fn stamped_statement(&self, file: &str, seq: u64) -> Option<&str> {
        let entry = self.entry(seq).filter(|e| e.outline.kind.statement_kind().is_some())?;
        let kind = entry.outline.kind.statement_kind()?;
        self.stamped(seq).filter(|_| file == format!("sig/{seq}-{kind}.sig"))
    }

    fn entry(&self, seq: u64) -> Option<&super::verify::EntryFacts> {
        usize::try_from(seq).ok().and_then(|i| self.entries.get(i))
    }

    fn worked(&mut self, principal: Option<String>, key: PublicKey) {
        self.workers.principals.extend(principal);
        self.workers.keys.insert(key);
    }
}

/// Who the verifier's own file says holds a key, at a time, for a role: the principal, or the fault; `None` when no file was given.
pub(super) fn standing(options: &Options, file: &str, key: &PublicKey, namespace: Namespace, at: &str) -> Result<Option<String>, Fault> {
    let Some(signers) = &options.signers else { return Ok(None) };
    if options.revoked.contains(key) {
        return Err(Fault::new(format!("KEY-REVOKED({file})"), format!("the key {} is on your list of revoked keys", key.fingerprint())));
    }
    // A time that a time stamp proves for this one signature.
    let at = options.times.get(file).map_or(at, String::as_str);
    match signers.standing(key, namespace, at) {
        Standing::Holds(signer) => Ok(Some(signer.principal.clone())),
        Standing::WrongRole(signer) => Err(Fault::new(
            format!("WRONG-ROLE({})", signer.principal),
            format!("{file}: this key may not sign under {}", namespace.as_str()),
        )),
        Standing::Expired(signer) => {
            Err(Fault::new(format!("KEY-EXPIRED({file})"), format!("the key of {} is not valid at {at}", signer.principal)))
        }
        Standing::Unknown => {
            Err(Fault::new(format!("UNTRUSTED-KEY({file})"), format!("your allowed_signers does not know {}", key.fingerprint())))
        }
    }
}
