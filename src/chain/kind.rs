//! The types of entries, and what follows from a type alone.

/// What an entry records. The text forms are the format's own and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryType {
    /// Entry 0, and only entry 0.
    LedgerOpened,
    RunOpened,
    TaskStarted,
    TaskResult,
    /// Evidence recorded by hand or from a command.
    Note,
    /// The report files over entries 0…N−1.
    Published,
    Attestation,
    Waiver,
    PartRedacted,
    KeyAdded,
    KeyRevoked,
    /// A signed go or no-go over a checkpoint.
    Decision,
    RunClosed,
    LedgerRestored,
}

impl EntryType {
    /// Every type, in the order of the format's table.
    pub const ALL: [Self; 14] = [
        Self::LedgerOpened,
        Self::RunOpened,
        Self::TaskStarted,
        Self::TaskResult,
        Self::Note,
        Self::Published,
        Self::Attestation,
        Self::Waiver,
        Self::PartRedacted,
        Self::KeyAdded,
        Self::KeyRevoked,
        Self::Decision,
        Self::RunClosed,
        Self::LedgerRestored,
    ];

    /// The `type` of the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LedgerOpened => "ledger.opened",
            Self::RunOpened => "run.opened",
            Self::TaskStarted => "task.started",
            Self::TaskResult => "task.result",
            Self::Note => "note",
            Self::Published => "published",
            Self::Attestation => "attestation",
            Self::Waiver => "waiver",
            Self::PartRedacted => "part.redacted",
            Self::KeyAdded => "key.added",
            Self::KeyRevoked => "key.revoked",
            Self::Decision => "decision",
            Self::RunClosed => "run.closed",
            Self::LedgerRestored => "ledger.restored",
        }
    }

    /// The type of a header's `type`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// For types whose meaning is a signed statement: the kind in `https://ledger.invalid/<kind>/v1` and in `sig/<seq>-<kind>.json`.
    pub fn statement_kind(self) -> Option<&'static str> {
        match self {
            Self::Attestation => Some("attestation"),
            Self::Waiver => Some("waiver"),
            Self::PartRedacted => Some("redaction"),
            Self::KeyAdded | Self::KeyRevoked => Some("keys"),
            Self::Decision => Some("signoff"),
            _ => None,
        }
    }

    /// An attestation may name its run in its statement alone: one made after the sign-off is then no later state of the run.
    pub(super) fn needs_run(self) -> bool {
        matches!(
            self,
            Self::RunOpened | Self::TaskStarted | Self::TaskResult | Self::Published | Self::Waiver | Self::Decision | Self::RunClosed
        )
    }

    /// The folder of the package that explicit paths of this type's parts lie in, besides the default `evidence/`.
    pub(super) fn may_use(self, folder: &str) -> bool {
        match folder {
            "queries" | "trust" => self == Self::RunOpened,
            "report" => self == Self::Published,
            "sig" => self.statement_kind().is_some(),
            _ => false,
        }
    }
}

/// The type that a header's last bytes name, without a look at the rest: keys are sorted, so canonical form ends with type and version.
/// `None`: not canonical, or no type of the format. What it says of bytes that were never checked is a guess.
pub fn kind_at_the_end(header: &[u8]) -> Option<EntryType> {
    let rest = header.strip_suffix(b"\",\"v\":1}")?;
    let quote = rest.iter().rposition(|b| *b == b'"')?;
    if !rest[..quote].ends_with(b",\"type\":") {
        return None;
    }
    EntryType::from_name(std::str::from_utf8(&rest[quote + 1..]).ok()?)
}

/// Where a statement or its signature lies in the package; `None` for other parts.
pub fn statement_path(seq: u64, kind: EntryType, part: &str) -> Option<String> {
    let kind = kind.statement_kind()?;
    match part {
        "statement.json" => Some(format!("sig/{seq}-{kind}.json")),
        "statement.sig" => Some(format!("sig/{seq}-{kind}.sig")),
        _ => None,
    }
}
