//! Signatures: OpenSSH SSHSIG with Ed25519, so that `ssh-keygen -Y verify` checks them and people use the keys they have.
//!
//! ```text
//! statement ─► SSHSIG under a namespace (the role) ─► strict reading ─► allowed_signers of the verifier ─► decision in a word
//! ```
//! Nothing here is laxer than stock `ssh-keygen`; where it is stricter, docs/format.md says so.

pub mod agent;
pub mod decision;
pub mod keys;
pub mod signers;
pub mod sshsig;
pub mod stamp;
pub mod statement;

pub use agent::AgentKey;
pub use decision::{Decision, Signoff, evaluate};
pub use keys::{PublicKey, SigningKey, Signs, generate};
pub use signers::{AllowedSigners, Signer};
pub use statement::Statement;

/// What a signature is for. Roles are namespaces: a key signs for a role only where allowed_signers lists its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    Task,
    Checkpoint,
    Attestation,
    Waiver,
    Redaction,
    Keys,
    Signoff,
    Package,
}

impl Namespace {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Task, Self::Checkpoint, Self::Attestation, Self::Waiver, Self::Redaction, Self::Keys, Self::Signoff, Self::Package];

    /// The namespace as signatures and allowed_signers spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task@ledger",
            Self::Checkpoint => "checkpoint@ledger",
            Self::Attestation => "attestation@ledger",
            Self::Waiver => "waiver@ledger",
            Self::Redaction => "redaction@ledger",
            Self::Keys => "keys@ledger",
            Self::Signoff => "signoff@ledger",
            Self::Package => "package@ledger",
        }
    }

    /// The namespace of a text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|namespace| namespace.as_str() == name)
    }

    /// The namespace that statements of a kind (`signoff`, `waiver`, …) are signed under.
    pub fn of_statement(kind: &str) -> Option<Self> {
        Self::from_name(&format!("{kind}@ledger"))
    }
}

/// What is signed for a `task.result`: its place and its leaf.
pub fn task_message(ledger_id: crate::chain::LedgerId, seq: u64, leaf: &crate::chain::Hash) -> String {
    format!("ledger/task/v1\n{ledger_id}\n{seq}\n{leaf}\n")
}

/// Why a key, a signature or an allowed_signers file is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("{path}: {why}")]
    Key { path: std::path::PathBuf, why: String },
    #[error("{0} is encrypted and no passphrase was given")]
    NeedsPassphrase(std::path::PathBuf),
    #[error("ssh-agent: {0}")]
    Agent(String),
    #[error("not a signature that is accepted: {0}")]
    Form(&'static str),
    #[error("the signature does not match")]
    Mismatch,
    #[error("allowed_signers line {line}: {why}")]
    Signers { line: usize, why: &'static str },
    #[error("list of revoked keys, line {line}: {why}")]
    Revoked { line: usize, why: &'static str },
    #[error("not a statement: {0}")]
    Statement(String),
}
