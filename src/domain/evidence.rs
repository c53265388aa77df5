//! The question and the whole answer of one check, and the finding each bad subject makes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CheckCode, CheckOutcome};

/// How bad a finding is. Findings at or above the plan's `fail-at` (default [`Severity::High`]) fail the task;
/// lower ones are advisories, counted and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// The word used in check headers, config and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One subject that a check examined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubjectRow {
    /// What was looked at: `public.clauses`, `005_security.sql:12:3`, …
    pub subject: String,
    /// Whether it is right. `None`: this subject could not be decided, and `observed` says why.
    pub ok: Option<bool>,
    /// What right looks like.
    pub expected: String,
    /// What was found.
    pub observed: String,
    /// Anything else worth keeping; never tenant data.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

impl SubjectRow {
    /// A decided row without detail.
    pub fn new(subject: impl Into<String>, ok: bool, expected: impl Into<String>, observed: impl Into<String>) -> Self {
        Self { subject: subject.into(), ok: Some(ok), expected: expected.into(), observed: observed.into(), detail: Value::Null }
    }

    /// A row that could not be decided, with the reason.
    pub fn undecided(subject: impl Into<String>, expected: impl Into<String>, why: impl Into<String>) -> Self {
        Self { subject: subject.into(), ok: None, expected: expected.into(), observed: why.into(), detail: Value::Null }
    }

    /// The same row with detail attached.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

/// One check as it was asked and answered. It becomes the part `check-<code>.json` of the task's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub check: CheckCode,
    pub title: String,
    pub severity: Severity,
    /// Why the question matters, one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What mends a bad subject, one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
    /// SHA-256 (hex) of the SQL text asked, for checks that are one query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql_sha256: Option<String>,
    /// How the answer was found, for checks that are a probe or a procedure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What the question was asked with.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
    /// Where it was asked: `target`, `scratch:post-migration`, `files`, …
    pub asked_of: String,
    /// When it was asked, RFC 3339 in UTC with microseconds.
    pub started: String,
    /// How long the answer took, microseconds. 0: not measured, as when nothing was done for this check alone.
    pub duration_us: i64,
    /// Fewer subjects than this and the check is Unknown: nothing was established.
    pub min_subjects: u64,
    pub rows: Vec<SubjectRow>,
    pub outcome: CheckOutcome,
}

impl Evidence {
    /// The bad subjects, each a finding.
    pub fn findings(&self) -> impl Iterator<Item = Finding> + '_ {
        self.rows.iter().filter(|row| row.ok == Some(false)).map(|row| Finding {
            check: self.check.clone(),
            severity: self.severity,
            subject: row.subject.clone(),
            expected: row.expected.clone(),
            observed: row.observed.clone(),
        })
    }
}

/// One bad subject of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub check: CheckCode,
    pub severity: Severity,
    pub subject: String,
    pub expected: String,
    pub observed: String,
}
