//! Relation locks: their modes, and which statements of the application each keeps waiting
//! (PostgreSQL manual, "Explicit Locking", table 13.2 "Conflicting Lock Modes").

use std::fmt;

use serde::{Deserialize, Serialize};

/// A lock mode on a relation, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LockMode {
    #[serde(rename = "ACCESS SHARE")]
    AccessShare,
    #[serde(rename = "ROW SHARE")]
    RowShare,
    #[serde(rename = "ROW EXCLUSIVE")]
    RowExclusive,
    #[serde(rename = "SHARE UPDATE EXCLUSIVE")]
    ShareUpdateExclusive,
    #[serde(rename = "SHARE")]
    Share,
    #[serde(rename = "SHARE ROW EXCLUSIVE")]
    ShareRowExclusive,
    #[serde(rename = "EXCLUSIVE")]
    Exclusive,
    #[serde(rename = "ACCESS EXCLUSIVE")]
    AccessExclusive,
}

impl LockMode {
    /// The mode that `pg_locks.mode` names, such as `AccessExclusiveLock`.
    pub fn of_server(mode: &str) -> Option<Self> {
        Some(match mode {
            "AccessShareLock" => Self::AccessShare,
            "RowShareLock" => Self::RowShare,
            "RowExclusiveLock" => Self::RowExclusive,
            "ShareUpdateExclusiveLock" => Self::ShareUpdateExclusive,
            "ShareLock" => Self::Share,
            "ShareRowExclusiveLock" => Self::ShareRowExclusive,
            "ExclusiveLock" => Self::Exclusive,
            "AccessExclusiveLock" => Self::AccessExclusive,
            _ => return None,
        })
    }

    /// As in `LOCK TABLE … IN … MODE`.
    pub fn word(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// The application's statements that wait while the lock is held. Other DDL and VACUUM are not told: from SHARE UPDATE EXCLUSIVE
    /// on they wait too.
    pub fn blocks(self) -> &'static [&'static str] {
        const WRITES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "MERGE"];
        const LOCKING: [&str; 5] = ["SELECT FOR UPDATE", "INSERT", "UPDATE", "DELETE", "MERGE"];
        const ALL: [&str; 6] = ["SELECT", "SELECT FOR UPDATE", "INSERT", "UPDATE", "DELETE", "MERGE"];
        match self {
            Self::AccessShare | Self::RowShare | Self::RowExclusive | Self::ShareUpdateExclusive => &[],
            Self::Share | Self::ShareRowExclusive => &WRITES,
            Self::Exclusive => &LOCKING,
            Self::AccessExclusive => &ALL,
        }
    }

    /// Whether any statement of the application waits for it.
    pub fn blocks_anything(self) -> bool {
        !self.blocks().is_empty()
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A lock that a statement took on a relation that existed before its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockTaken {
    /// As the server quotes it, under the name it had before the file.
    pub relation: String,
    /// `table`, `index`, `view`, …
    pub kind: String,
    pub mode: LockMode,
    /// From the beginning of the statement, waiting included, to the end of its transaction. For a lock seen from another session:
    /// from the first to the last sample that showed it.
    pub held_us: i64,
}

/// Who waited for whom, sampled while a file ran. Processes are named by number, application, role and state, never by statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockWait {
    /// `this migration` or a process.
    pub waiter: String,
    pub blocker: String,
    /// What is waited for: `ACCESS EXCLUSIVE on public.docs`, where the server tells.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub wanted: String,
    /// From the first to the last sample that showed it.
    pub seen_us: i64,
    pub samples: u64,
}

/// An attempt at a file that ended in a lock timeout or a deadlock, and was rolled back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTry {
    /// RFC 3339 UTC.
    pub started: String,
    pub duration_us: i64,
    /// Reduced to file, line, statement and SQLSTATE.
    pub error: String,
    /// How long the next attempt was put off.
    pub pause_us: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_ordered_named_and_say_what_they_block() {
        let modes =
            ["AccessShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock", "ExclusiveLock", "AccessExclusiveLock"];
        let modes: Vec<LockMode> = modes.iter().filter_map(|m| LockMode::of_server(m)).collect();
        assert!(modes.is_sorted() && modes.len() == 6);
        let blocked: Vec<usize> = modes.iter().map(|m| m.blocks().len()).collect();
        assert_eq!(blocked, [0, 0, 0, 4, 5, 6]);
        assert_eq!(serde_json::to_value(LockMode::AccessExclusive).unwrap(), LockMode::AccessExclusive.word());
        assert_eq!(LockMode::of_server("SIReadLock"), None);
    }
}
