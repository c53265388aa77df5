//! What people sign: attestations, waivers and the decision. Each is a statement over a checkpoint, signed before its entry.

use chrono::NaiveDate;

use super::{PublishError, Rendered, Result, publish, render};
use crate::chain::{Draft, Entry, EntryType, PartDraft, Store, hash};
use crate::domain::RunId;
use crate::domain::verdict::Verdict;
use crate::record::Run;
use crate::sign::signers::Standing;
use crate::sign::{AllowedSigners, Namespace, PublicKey, Signs, Statement, sshsig};

/// Who signs, with what.
pub struct By<'a> {
    pub principal: &'a str,
    pub key: &'a dyn Signs,
}

impl By<'_> {
    /// Refuses a key that the project's own allowed_signers would not accept for the role at this time: such a signature helps nobody.
    pub fn holds(&self, signers: &AllowedSigners, namespace: Namespace, at: &str) -> Result<()> {
        let role = namespace.as_str();
        let why = match signers.standing(&self.key.public(), namespace, at) {
            Standing::Holds(signer) if signer.principal == self.principal => return Ok(()),
            Standing::Holds(signer) => format!("the key belongs to {}, not to {}", signer.principal, self.principal),
            Standing::WrongRole(signer) => format!("allowed_signers gives {} other roles than {role}", signer.principal),
            Standing::Expired(signer) => format!("the key of {} is not valid now", signer.principal),
            Standing::Unknown => "allowed_signers does not have this key".to_owned(),
        };
        Err(PublishError::refused(
            format!("{} cannot sign under {role}: {why}", self.principal),
            format!(
                "the keeper of allowed_signers adds: {} namespaces=\"{role}\" ssh-ed25519 {}",
                self.principal,
                self.key.public().to_base64()
            ),
        ))
    }
}

/// Records that a person vouches for an item. After a sign-off over the run's present state the entry belongs to no run, so that
/// the signed checkpoint stays the run's last.
pub fn attest(store: &mut Store, run: &Run, item: &str, by: &By<'_>, reason: &str) -> Result<Entry> {
    let Some(wanted) = run.config.plan.attestations.iter().find(|a| a.id == item) else {
        let known: Vec<&str> = attestable(run).collect();
        return Err(PublishError::refused(format!("the plan has no item {item}"), format!("one of: {}", known.join(", "))));
    };
    if let Some(task) = wanted.measured_by.first() {
        return Err(PublishError::refused(
            format!("{item} is measured by {task}: nobody can vouch for it"),
            format!("ledger run --only {task}"),
        ));
    }
    if wanted.approval.is_some() {
        return Err(PublishError::refused(
            format!("{item} is answered by the signed decision"),
            "ledger sign-off --decision go|no-go --as PRINCIPAL --key FILE",
        ));
    }
    let decided = run.closed.is_some() || run.decisions.iter().any(|d| d.size == run.cut);
    let statement = statement(store, "attestation", run, by, reason)?.with("item", item);
    let mut draft = signed(EntryType::Attestation, Namespace::Attestation, &statement, by)?;
    draft.run = (!decided).then(|| run.id.to_string());
    draft.body.insert("item".into(), item.into());
    Ok(store.append(draft)?)
}

/// The items of the plan that a person can vouch for.
pub fn attestable(run: &Run) -> impl Iterator<Item = &str> {
    run.config.plan.attestations.iter().filter(|a| a.measured_by.is_empty() && a.approval.is_none()).map(|a| a.id.as_str())
}

/// A finding that a person accepts, until when.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'a> {
    pub check: &'a str,
    pub subject: &'a str,
    /// `YYYY-MM-DD`, the last day.
    pub until: &'a str,
}

/// Records that a person accepts one finding of a deciding attempt.
pub fn waive(store: &mut Store, run: &Run, finding: &Accepted<'_>, by: &By<'_>, reason: &str) -> Result<Entry> {
    let until = NaiveDate::parse_from_str(finding.until, "%Y-%m-%d")
        .ok()
        .filter(|date| date.format("%Y-%m-%d").to_string() == finding.until)
        .ok_or_else(|| PublishError::refused(format!("--until {} is not a day", finding.until), "--until YYYY-MM-DD"))?;
    if until.format("%Y-%m-%d").to_string() < run.today {
        return Err(PublishError::refused(format!("{until} has passed: the waiver would never count"), "--until a later day"));
    }
    let latest = run.config.plan.tasks.iter().filter_map(|task| run.latest(&task.id));
    let failed: Vec<_> = latest
        .flat_map(|(_, result)| result.document.checks.iter().map(move |check| (result.seq, check)))
        .filter(|(_, check)| check.outcome == crate::domain::CheckOutcome::Fail)
        .collect();
    let found = failed.iter().find(|(_, c)| c.code.as_str() == finding.check && c.subjects.iter().any(|s| s == finding.subject));
    let Some((seq, check)) = found else {
        let first = failed.iter().find(|(_, c)| c.severity >= run.config.plan.fail_at);
        let hint = match first.and_then(|(_, c)| c.subjects.first().map(|s| (&c.code, s))) {
            Some((code, subject)) => format!("a finding there is: ledger waive {code} --subject '{subject}' …"),
            None => "nothing that fails stands on the ledger; ledger status shows what is open".into(),
        };
        return Err(PublishError::refused(format!("there is no finding {} on {}", finding.check, finding.subject), hint));
    };
    if check.severity < run.config.plan.fail_at {
        return Err(PublishError::refused(
            format!("{} is an advisory ({}): it fails nothing, so there is nothing to waive", finding.check, check.severity.word()),
            "ledger report shows it with its task",
        ));
    }
    // The verdict weighs waivers by the run's own copy of allowed_signers: one that it does not know would never count.
    by.holds(&run.trust, Namespace::Waiver, &chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string()).map_err(|error| match error {
        PublishError::Refused { what, .. } => PublishError::refused(
            format!("in the allowed_signers that run {} was opened with, {what}", run.id),
            "a run's verdict counts waivers by the file it was opened with: mend allowed_signers, then ledger run opens a new run",
        ),
        other => other,
    })?;
    let statement = statement(store, "waiver", run, by, reason)?
        .with("check", finding.check)
        .with("subject", finding.subject)
        .with("until", finding.until);
    let mut draft = signed(EntryType::Waiver, Namespace::Waiver, &statement, by)?;
    draft.run = Some(run.id.to_string());
    draft.refs = vec![*seq];
    draft.body.insert("check".into(), finding.check.into());
    draft.body.insert("until".into(), finding.until.into());
    Ok(store.append(draft)?)
}

/// Publishes the run's report and records a signed go or no-go over its checkpoint and every file. A go needs a verdict to match.
pub fn sign_off(store: &mut Store, id: &RunId, go: bool, by: &By<'_>, reason: &str) -> Result<(Entry, Rendered)> {
    sign_off_until(store, id, go, None, by, reason)
}

/// The same with an end: after it (`YYYY-MM-DDTHH:MM:SSZ`) a go is EXPIRED.
pub fn sign_off_until(
    store: &mut Store,
    id: &RunId,
    go: bool,
    until: Option<&str>,
    by: &By<'_>,
    reason: &str,
) -> Result<(Entry, Rendered)> {
    let judgement = render(store, id)?.report.judgement;
    if go && matches!(judgement.verdict, Verdict::NoGo | Verdict::Undecided) {
        return Err(PublishError::NotGo {
            verdict: judgement.verdict,
            what: format!("a go cannot be signed over {}: {}", judgement.verdict, judgement.reason),
            hint: "mend it and run again, or accept the finding: ledger waive CODE --subject S --until YYYY-MM-DD --reason-file F; \
                   a no-go can be signed now"
                .into(),
        });
    }
    let (published, rendered) = publish(store, id, by.principal)?;
    let decision = if go { "go" } else { "no-go" };
    let checkpoint = store.checkpoint(rendered.size)?;
    let mut statement = Statement::over("signoff", &checkpoint, Some(id.as_str()), by.principal, reason).with("decision", decision);
    if let Some(until) = until {
        statement = statement.with("valid_until", until);
    }
    statement.subjects = rendered.files.iter().map(|(name, bytes)| (format!("report/{name}"), hash::sha256(bytes))).collect();
    let mut draft = signed(EntryType::Decision, Namespace::Signoff, &statement, by)?;
    draft.run = Some(id.to_string());
    draft.refs = vec![published];
    draft.body.insert("decision".into(), decision.into());
    draft.body.insert("size".into(), rendered.size.into());
    Ok((store.append(draft)?, rendered))
}

/// Records that a key was added to, or taken from, those who may sign. It is history: the verifier's own allowed_signers decides,
/// and a revocation only takes away.
pub fn key_changed(
    store: &mut Store,
    added: bool,
    principal: &str,
    key: &PublicKey,
    roles: &[Namespace],
    by: &By<'_>,
    reason: &str,
) -> Result<Entry> {
    let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    let statement = over(store, "keys", None, by, reason)?
        .with("change", if added { "added" } else { "revoked" })
        .with("key", format!("ssh-ed25519 {}", key.to_base64()))
        .with("key_principal", principal)
        .with("roles", roles.join(","));
    let kind = if added { EntryType::KeyAdded } else { EntryType::KeyRevoked };
    let mut draft = signed(kind, Namespace::Keys, &statement, by)?;
    draft.body.insert("principal".into(), principal.into());
    draft.body.insert("key".into(), key.fingerprint().into());
    Ok(store.append(draft)?)
}

fn statement(store: &Store, kind: &str, run: &Run, by: &By<'_>, reason: &str) -> Result<Statement> {
    over(store, kind, Some(run.id.as_str()), by, reason)
}

pub(super) fn over(store: &Store, kind: &str, run: Option<&str>, by: &By<'_>, reason: &str) -> Result<Statement> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(PublishError::refused("the reason is empty", "write why into the file that --reason-file names"));
    }
    let checkpoint = store.checkpoint(store.len()?)?;
    Ok(Statement::over(kind, &checkpoint, run, by.principal, reason))
}

pub(super) fn signed(kind: EntryType, namespace: Namespace, statement: &Statement, by: &By<'_>) -> Result<Draft> {
    let bytes = statement.to_bytes()?;
    let signature = sshsig::sign_with(by.key, namespace, &bytes)?;
    let mut draft = Draft::new(kind, by.principal);
    draft.parts = vec![
        PartDraft::bytes("statement.json", "application/json", bytes),
        PartDraft::bytes("statement.sig", "text/plain", signature.into_bytes()),
    ];
    Ok(draft)
}
