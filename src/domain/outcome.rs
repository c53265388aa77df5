//! What a check and a task can come to. Fail is not Unknown, and neither is Pass.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What one check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "why", rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// At least `min-subjects` subjects were examined and all are right.
    Pass,
    /// At least one subject is wrong.
    Fail,
    /// The question could not be answered: lost connection, missing privilege, timeout, nothing examined.
    Unknown(String),
    /// The catalog shows that no object of the kind exists. Counted apart, never a tick.
    NotApplicable(String),
}

/// What one task came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "why", rename_all = "kebab-case")]
pub enum Outcome {
    /// Every check passed (or does not apply, or failed below `fail-at`).
    Pass,
    /// At least one check of severity `fail-at` or above failed.
    Fail,
    /// Something the plan asks for is not established.
    Unknown(String),
    /// The task did not start, and why.
    Skipped(String),
}

impl Outcome {
    /// The word of the outcome alone: `pass`, `fail`, `unknown` or `skipped`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown(_) => "unknown",
            Self::Skipped(_) => "skipped",
        }
    }

    /// The reason that goes with `unknown` and `skipped`.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Pass | Self::Fail => None,
            Self::Unknown(why) | Self::Skipped(why) => Some(why),
        }
    }
}

impl CheckOutcome {
    /// The word of the outcome alone: `pass`, `fail`, `unknown` or `not-applicable`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown(_) => "unknown",
            Self::NotApplicable(_) => "not-applicable",
        }
    }

    /// The reason that goes with `unknown` and `not-applicable`.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Pass | Self::Fail => None,
            Self::Unknown(why) | Self::NotApplicable(why) => Some(why),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why() {
            None => f.pad(self.word()),
            Some(why) => write!(f, "{}: {why}", self.word()),
        }
    }
}

impl fmt::Display for CheckOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why() {
            None => f.pad(self.word()),
            Some(why) => write!(f, "{}: {why}", self.word()),
        }
    }
}
