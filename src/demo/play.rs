//! What people do after a run, done by the demo's people: sign their tasks, vouch, decide.

use std::path::Path;

use super::DemoError;
use super::people::{key, principal};
use crate::chain::{SignatureRow, Signed, Store};
use crate::domain::RunId;
use crate::domain::plan::AttestationList;
use crate::domain::verdict::Verdict;
use crate::package::{Options, Verification, verify};
use crate::publish;
use crate::publish::package::{Packaged, package};
use crate::publish::statements::{By, attest, attestable, sign_off};
use crate::record::Run;
use crate::sign::{AllowedSigners, Namespace, SigningKey, sshsig, task_message};

/// What every statement of the demo gives as its reason.
const REASON: &str = "Played by ledger demo: nobody vouches for this.";

/// Every task's result of the run, signed by a holder of a role of the task.
pub fn sign_tasks(store: &mut Store, folder: &Path, run: &Run) -> Result<(), DemoError> {
    for (attempt, result) in run.attempts.iter().filter_map(|attempt| Some((attempt, attempt.result.as_ref()?))) {
        let Some(role) = run.config.plan.task(&attempt.task).and_then(|task| task.roles.first()) else { continue };
        let leaf = store.entry(result.seq).map_err(publish::PublishError::from)?.leaf;
        let message = task_message(store.ledger_id(), result.seq, &leaf);
        add(store, Signed::Task(result.seq), &key(folder, role.as_str())?, Namespace::Task, &message)?;
    }
    Ok(())
}

/// What a person vouches for before anything is executed, vouched for.
pub fn attest_before_execution(store: &mut Store, folder: &Path, run: &Run) -> Result<(), DemoError> {
    attest_where(store, folder, run, |list| matches!(list, AttestationList::ThisWeek | AttestationList::BeforeExecution))
}

/// Every item that a person can vouch for and has not yet, vouched for.
pub fn attest_rest(store: &mut Store, folder: &Path, run: &Run) -> Result<(), DemoError> {
    attest_where(store, folder, run, |_| true)
}

fn attest_where(store: &mut Store, folder: &Path, run: &Run, wanted: impl Fn(AttestationList) -> bool) -> Result<(), DemoError> {
    let who = principal("tech-lead");
    let key = key(folder, "tech-lead")?;
    let known = &run.config.plan.attestations;
    for item in attestable(run).filter(|id| run.attested(id).is_none() && known.iter().any(|a| a.id == *id && wanted(a.list))) {
        attest(store, run, item, &By { principal: &who, key: &key }, REASON)?;
    }
    Ok(())
}

/// The CTO's decision: go where the verdict allows it, no-go on NO-GO, none while it is open. Says what was signed.
pub fn decide(store: &mut Store, folder: &Path, id: &RunId, verdict: Verdict) -> Result<Option<&'static str>, DemoError> {
    let go = match verdict {
        Verdict::Go | Verdict::GoWithDeviations => true,
        Verdict::NoGo => false,
        Verdict::Undecided => return Ok(None),
    };
    let who = principal("cto");
    sign_off(store, id, go, &By { principal: &who, key: &key(folder, "cto")? }, REASON)?;
    Ok(Some(if go { "go" } else { "no-go" }))
}

/// Published, packed, signed and unpacked as `ledger package` does it, then verified with the demo's own allowed_signers as any
/// auditor would.
pub fn package_and_verify(store: &mut Store, folder: &Path, id: &RunId) -> Result<(Packaged, Verification), DemoError> {
    let signer = key(folder, "devops-engineer")?;
    let packaged = package(store, id, &principal("devops-engineer"), Some(&signer), &folder.join("evidence"), false)?;
    let trusted = folder.join("allowed_signers");
    let bytes = std::fs::read(&trusted).map_err(|source| DemoError::Io { what: format!("cannot read {}", trusted.display()), source })?;
    let options = Options { signers: Some(AllowedSigners::parse(&bytes)?), ..Options::default() };
    let verification = verify(&packaged.written.zip, &options)?;
    Ok((packaged, verification))
}

fn add(store: &mut Store, over: Signed, key: &SigningKey, role: Namespace, message: &str) -> Result<(), DemoError> {
    let bytes = sshsig::sign(key, role, message.as_bytes()).into_bytes();
    let row = SignatureRow { over, key: key.public().id(), bytes };
    Ok(store.add_signature(&row).map_err(publish::PublishError::from)?)
}
