//! The decision about production: signed statements over one checkpoint, weighed in a fixed order. Pure; `ledger verify` and `ledger go-no-go` both call it.

use std::collections::BTreeSet;

use super::keys::PublicKey;

/// What the sign-offs come to. The text forms are the words that verification prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Enough trusted approvers, none of them part of the work, over exactly this state.
    Approved,
    /// A trusted no-go over this state; it outweighs every go.
    Denied,
    /// Nobody (or not enough people) who holds the role has signed.
    Missing(String),
    /// Signed, but over another size than the run's N: evidence came after.
    Stale,
    /// Signed, but the decision's own limit has passed.
    Expired,
    /// An approver took part in the work.
    SodViolation(String),
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Approved => f.pad("APPROVED"),
            Self::Denied => f.pad("DENIED"),
            Self::Missing(role) => write!(f, "MISSING({role})"),
            Self::Stale => f.pad("STALE"),
            Self::Expired => f.pad("EXPIRED"),
            Self::SodViolation(reason) => write!(f, "SOD-VIOLATION({reason})"),
        }
    }
}

/// One sign-off whose signature is good and whose key the trusted file allows under `signoff@ledger`. Others are not handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signoff {
    /// The `decision` entry.
    pub seq: u64,
    pub principal: String,
    pub key: PublicKey,
    /// `go` (true) or `no-go`.
    pub go: bool,
    /// Size of the checkpoint the statement is over.
    pub size: u64,
    /// End of its validity, `YYYY-MM-DDTHH:MM:SS…Z`, where the statement has one.
    pub valid_until: Option<String>,
}

/// Who took part in the work: actors of run.opened, task.* and note entries, and signers of task@, checkpoint@ and package@.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workers {
    pub principals: BTreeSet<String>,
    pub keys: BTreeSet<PublicKey>,
}

/// What the policy adds to what always holds (one trusted sign-off, separation of duties).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A role under which too few have signed, if there is one: then nothing is approved.
    pub missing: Option<String>,
    /// Distinct principals that must sign a go; at least 1 whatever is given.
    pub sign_offs: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { sign_offs: 1, missing: None }
    }
}

/// A time with any number of decimals as `ts` spells it, so that the two compare as texts.
pub fn to_microseconds(time: &str) -> String {
    let time = time.trim_end_matches('Z');
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{seconds}.{:0<6.6}Z", fraction)
}

/// Weighs the sign-offs over the state of size `n`, at a time `YYYY-MM-DDTHH:MM:SS…Z`.
///
/// 1. A no-go over n: DENIED. 2. Gos over n by people apart from the work, still valid, by enough principals: APPROVED.
/// 3. Else the first of what stands in the way: SOD-VIOLATION, EXPIRED, MISSING (some signed, too few), STALE (others signed another state), MISSING.
pub fn evaluate(n: u64, signoffs: &[Signoff], workers: &Workers, policy: &Policy, at: &str) -> Decision {
    let over_n = || signoffs.iter().filter(|s| s.size == n);
    if over_n().any(|s| !s.go) {
        return Decision::Denied;
    }
    let violation = |s: &Signoff| {
        if workers.principals.contains(&s.principal) {
            Some(format!("{} took part in the work", s.principal))
        } else if workers.keys.contains(&s.key) {
            Some(format!("the key of {} signed for the work", s.principal))
        } else {
            None
        }
    };
    let at = to_microseconds(at);
    let expired = |s: &Signoff| s.valid_until.as_ref().is_some_and(|until| *until < at);
    let counted: Vec<&Signoff> = over_n().filter(|s| violation(s).is_none() && !expired(s)).collect();
    let principals: BTreeSet<&str> = counted.iter().map(|s| s.principal.as_str()).collect();
    let keys: BTreeSet<&PublicKey> = counted.iter().map(|s| &s.key).collect();
    if principals.len().min(keys.len()) >= policy.sign_offs.max(1) as usize {
        return match &policy.missing {
            None => Decision::Approved,
            Some(role) => Decision::Missing(role.clone()),
        };
    }
    if let Some(reason) = over_n().find_map(violation) {
        return Decision::SodViolation(reason);
    }
    if over_n().any(expired) {
        return Decision::Expired;
    }
    if over_n().next().is_none() && !signoffs.is_empty() {
        return Decision::Stale;
    }
    Decision::Missing("signoff".into())
}
