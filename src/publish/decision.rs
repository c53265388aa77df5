//! Where the sign-off of a run stands: which decisions count, and the word that `sign` makes of them.
//!
//! A decision counts when its signature is good, the trusted file gives its key the role and its principal, and its statement is
//! over this ledger, this run, a checkpoint that the ledger has, and the report files as they were published.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;

use super::Result;
use crate::chain::header::is_timestamp;
use crate::chain::{EntryType, Hash, Signed, Store, hash};
use crate::record::trust::{self, Carried};
use crate::record::{DecisionRecord, Run};
use crate::report::checklist::SignOffState;
use crate::report::format;
use crate::sign::decision::{Decision, Policy, Signoff, Workers, evaluate};
use crate::sign::signers::Standing;
use crate::sign::{AllowedSigners, Namespace, PublicKey, sshsig, task_message};

/// Weighs the run's decisions. `at` (`YYYY-MM-DDTHH:MM:SSZ`) is when keys must be valid.
pub fn state(store: &Store, run: &Run, signers: &AllowedSigners, at: &str) -> Result<SignOffState> {
    let (mut signoffs, mut by) = (Vec::new(), Vec::new());
    for decision in &run.decisions {
        let line = format!("{} {} at {}", decision.principal, decision.decision, format::time(&decision.ts));
        match counted(store, run, decision, signers, at)? {
            Ok(signoff) => {
                by.push(match decision.size == run.cut {
                    true => line,
                    false => format!("{line} (over {} entries, now {})", decision.size, run.cut),
                });
                signoffs.push(signoff);
            }
            Err(why) => by.push(format!("{line}: not counted, {why}")),
        }
    }
    let signed = signed(store, run, signers, at)?;
    let mut workers = workers(store, run, signers)?;
    let rules = &run.config.policy;
    for (_, principal, key) in signed.iter().filter(|(role, ..)| rules.apart_from.iter().any(|apart| apart == role)) {
        workers.principals.insert(principal.clone());
        workers.keys.insert(*key);
    }
    let count = |role: &str| signed.iter().filter(|(of, ..)| *of == role).map(|(_, principal, _)| principal).collect::<BTreeSet<_>>().len();
    let missing = rules.required.iter().find(|(role, wanted)| count(role) < **wanted as usize).map(|(role, _)| role.clone());
    let policy = Policy { sign_offs: rules.sign_offs, missing };
    let decision = evaluate(run.cut, &signoffs, &workers, &policy, at);
    Ok(SignOffState {
        word: decision.to_string(),
        approved: decision == Decision::Approved,
        denied: decision == Decision::Denied,
        by,
        seq: run.decisions.last().map(|d| d.seq),
    })
}

/// The run as the reader's own file sees it: attestations that it does not trust are doubted, those that it does are not, whatever
/// the run's own copy says. Keys must have been valid at their entry's time. The verdict is not touched.
pub fn trusted(store: &Store, run: &Run, signers: &AllowedSigners) -> Result<Run> {
    let mut seen = run.clone();
    for attestation in &mut seen.attestations {
        attestation.doubt = doubt(store, run, "attestation", attestation.seq, &attestation.ts, signers)?;
    }
    Ok(seen)
}

/// The waivers that made the verdict a deviation and that the reader's own file does not trust, one line each.
pub fn doubted_waivers(store: &Store, run: &Run, signers: &AllowedSigners) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for waiver in run.judgement().deviations {
        let ts = run.entries.iter().find(|e| e.seq == waiver.seq).map(|e| e.ts.clone()).unwrap_or_default();
        if let Some(why) = doubt(store, run, "waiver", waiver.seq, &ts, signers)? {
            lines.push(format!(
                "waiver of {} on {} by {} not counted, {why} (entry {})",
                waiver.check, waiver.subject, waiver.by, waiver.seq
            ));
        }
    }
    Ok(lines)
}

fn doubt(store: &Store, run: &Run, kind: &str, seq: u64, at: &str, signers: &AllowedSigners) -> Result<Option<String>> {
    let there = |name: &str| run.parts.iter().any(|p| p.seq == seq && p.name == name && !p.redacted);
    let part = |name: &str| if there(name) { store.part(seq, name) } else { Ok(None) };
    let (Some(statement), Some(signature)) = (part("statement.json")?, part("statement.sig")?) else {
        return Ok(Some("its statement or its signature is gone".into()));
    };
    let carried = Carried { seq, kind, run: run.id.as_str(), statement: &statement, signature: &signature };
    Ok(trust::weigh(store, &carried, signers, at)?.err())
}

/// The decision as `sign` weighs it, or why it does not count.
fn counted(
    store: &Store,
    run: &Run,
    decision: &DecisionRecord,
    signers: &AllowedSigners,
    at: &str,
) -> Result<std::result::Result<Signoff, String>> {
    let carried = Carried {
        seq: decision.seq,
        kind: "signoff",
        run: run.id.as_str(),
        statement: &decision.statement,
        signature: &decision.signature,
    };
    let (statement, key) = match trust::weigh(store, &carried, signers, at)? {
        Ok(weighed) => weighed,
        Err(why) => return Ok(Err(why)),
    };
    let go = match statement.text("decision") {
        Some("go") => true,
        Some("no-go") => false,
        _ => return Ok(Err("it decides neither go nor no-go".into())),
    };
    if published(store, run, statement.size)? != statement.subjects.iter().cloned().collect() {
        return Ok(Err("REPORT-MISMATCH".into()));
    }
    if statement.fields.contains_key("valid_until") && !statement.text("valid_until").is_some_and(is_timestamp) {
        return Ok(Err("its valid_until is no time of the format".into()));
    }
    let until = [statement.text("valid_until").map(str::to_owned), too_old(run, decision), aged(run, decision)];
    Ok(Ok(Signoff {
        seq: decision.seq,
        principal: statement.principal,
        key,
        go,
        size: statement.size,
        valid_until: until.into_iter().flatten().min(),
    }))
}

/// The report files published for a size: package path and digest.
fn published(store: &Store, run: &Run, size: u64) -> Result<BTreeMap<String, Hash>> {
    let mut files = BTreeMap::new();
    let Some((seq, ..)) = run.published.iter().find(|(_, n, _)| *n == size) else { return Ok(files) };
    for part in run.parts.iter().filter(|p| p.seq == *seq) {
        if let Some(bytes) = store.part(*seq, &part.name)? {
            files.insert(part.path.clone(), hash::sha256(&bytes));
        }
    }
    Ok(files)
}

/// Where the policy limits the evidence's age: a time that has passed, if the evidence was older than that at the decision.
fn too_old(run: &Run, decision: &DecisionRecord) -> Option<String> {
    let hours = i64::try_from(run.config.policy.evidence_max_age_hours).ok().filter(|h| *h > 0)?;
    let last = run.entries.iter().rfind(|e| e.seq < decision.size)?;
    let limit = format::moment(&last.ts)? + Duration::try_hours(hours)?;
    let expired = format::moment(&decision.ts)? > limit;
    expired.then(|| limit.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

/// Where the policy limits the decision's own age: when it ends.
fn aged(run: &Run, decision: &DecisionRecord) -> Option<String> {
    let hours = i64::try_from(run.config.policy.decision_max_age_hours).ok().filter(|h| *h > 0)?;
    let limit = format::moment(&decision.ts)?.checked_add_signed(Duration::try_hours(hours)?)?;
    Some(limit.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

/// Good signatures for the run by keys that hold their role: role, principal, key. As `ledger verify` counts them.
fn signed(store: &Store, run: &Run, signers: &AllowedSigners, at: &str) -> Result<Vec<(String, String, PublicKey)>> {
    let mut found = Vec::new();
    let of_run: BTreeSet<u64> = run.entries.iter().map(|e| e.seq).collect();
    for row in store.signatures(run.end)? {
        let (namespace, message, ours, place) = match row.over {
            Signed::Task(seq) => {
                let leaf = store.entry(seq)?.leaf;
                (Namespace::Task, task_message(store.ledger_id(), seq, &leaf), of_run.contains(&seq), seq)
            }
            Signed::Checkpoint(size) => (Namespace::Checkpoint, store.checkpoint_text(size)?, size > run.opened_seq, size),
        };
        let Some(key) = ours.then(|| sshsig::verify(&row.bytes, namespace, message.as_bytes()).ok()).flatten() else { continue };
        if let Standing::Holds(signer) = signers.standing(&key, namespace, at)
            && trust::revoked_before(store, signers, &key, place)?.is_none()
        {
            found.push((role(namespace), signer.principal.clone(), key));
        }
    }
    for entry in &run.entries {
        let Some(kind) = EntryType::from_name(&entry.kind).and_then(EntryType::statement_kind) else { continue };
        if let Some((principal, key)) = weighed(store, run, kind, entry.seq, at, signers)? {
            found.push((kind.to_owned(), principal, key));
        }
    }
    Ok(found)
}

fn role(namespace: Namespace) -> String {
    namespace.as_str().trim_end_matches("@ledger").to_owned()
}

fn weighed(store: &Store, run: &Run, kind: &str, seq: u64, at: &str, signers: &AllowedSigners) -> Result<Option<(String, PublicKey)>> {
    let there = |name: &str| run.parts.iter().any(|p| p.seq == seq && p.name == name && !p.redacted);
    let part = |name: &str| if there(name) { store.part(seq, name) } else { Ok(None) };
    let (Some(statement), Some(signature)) = (part("statement.json")?, part("statement.sig")?) else { return Ok(None) };
    let carried = Carried { seq, kind, run: run.id.as_str(), statement: &statement, signature: &signature };
    Ok(trust::weigh(store, &carried, signers, at)?.ok().map(|(statement, key)| (statement.principal, key)))
}

/// Who took part in the work: actors of the run and its tasks, and whoever signed results or checkpoints.
fn workers(store: &Store, run: &Run, signers: &AllowedSigners) -> Result<Workers> {
    let acted = |kind: &str| matches!(kind, "run.opened" | "task.started" | "task.result" | "note");
    let principals: BTreeSet<String> = run.entries.iter().filter(|e| acted(&e.kind)).map(|e| e.actor.clone()).collect();
    let mut workers = Workers { principals, ..Workers::default() };
    let of_run: BTreeSet<u64> = run.entries.iter().map(|e| e.seq).collect();
    for row in store.signatures(run.end)? {
        let ours = match row.over {
            Signed::Task(seq) => of_run.contains(&seq),
            Signed::Checkpoint(size) => size > run.opened_seq,
        };
        if let Some(sig) = ours.then(|| sshsig::SshSig::parse(&row.bytes).ok()).flatten() {
            if let Some(signer) = signers.signers().iter().find(|s| s.key == sig.key) {
                workers.principals.insert(signer.principal.clone());
            }
            workers.keys.insert(sig.key);
        }
    }
    Ok(workers)
}
