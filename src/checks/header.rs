//! The header of a check file: `-- key: value` lines before the SQL.

use sha2::{Digest, Sha256};

use crate::domain::plan::StepKind;
use crate::domain::{CheckCode, Severity};

/// How a check finds its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The body is one query; each row is a subject.
    Query,
    /// The step finds the answer; the body is comments that say how.
    Probe,
}

/// A check as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub code: CheckCode,
    pub title: String,
    /// `StepKind::word` of the step that asks it.
    pub step: StepKind,
    pub severity: Severity,
    pub min_subjects: u64,
    /// `when-none: not-applicable`: no subjects means that no object of the kind exists.
    pub none_is_not_applicable: bool,
    pub kind: Kind,
    /// `as-role`: the role the query runs as, taken on with SET LOCAL ROLE in a transaction that is rolled back. Only the step that
    /// owns a migrated copy can ask such a check; elsewhere it is Unknown.
    pub as_role: Option<String>,
    /// `setting: name = (expression)`: settings of that transaction, each expression evaluated by the connecting role before the
    /// role is taken on, in order. May stand more than once.
    pub settings: Vec<(String, String)>,
    pub why: String,
    pub fix: String,
    /// The whole file, header included; its SHA-256 goes into the evidence.
    pub text: String,
}

/// A header that cannot be used, with its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct HeaderError {
    pub line: usize,
    pub message: String,
}

impl Check {
    /// Reads a check file. Keys: code, title, step, severity, min-subjects, when-none, kind, as-role, setting, why, fix;
    /// unknown keys are errors.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        let fail = |line: usize, message: String| HeaderError { line: line + 1, message };
        let mut check = Self {
            code: CheckCode::new(""),
            title: String::new(),
            step: StepKind::Command,
            severity: Severity::High,
            min_subjects: 1,
            none_is_not_applicable: false,
            kind: Kind::Query,
            as_role: None,
            settings: Vec::new(),
            why: String::new(),
            fix: String::new(),
            text: text.to_owned(),
        };
        let mut step = None;
        for (number, line) in text.lines().enumerate() {
            let Some((key, value)) = line.strip_prefix("-- ").and_then(|rest| rest.split_once(": ")) else { break };
            let value = value.trim();
            match key {
                "code" => check.code = CheckCode::new(value),
                "title" => check.title = value.to_owned(),
                "step" => step = Some(from_word::<StepKind>(value).ok_or_else(|| fail(number, format!("unknown step {value}")))?),
                "severity" => check.severity = from_word(value).ok_or_else(|| fail(number, format!("unknown severity {value}")))?,
                "min-subjects" => check.min_subjects = value.parse().map_err(|_| fail(number, format!("not a number: {value}")))?,
                "when-none" if value == "not-applicable" => check.none_is_not_applicable = true,
                "kind" if value == "probe" => check.kind = Kind::Probe,
                "kind" if value == "query" => check.kind = Kind::Query,
                "as-role" => check.as_role = Some(value.to_owned()),
                "setting" => match value.split_once(" = ") {
                    Some((name, expression)) => check.settings.push((name.trim().to_owned(), expression.trim().to_owned())),
                    None => return Err(fail(number, format!("a setting is `name = (expression)`, not `{value}`"))),
                },
                "why" => check.why = value.to_owned(),
                "fix" => check.fix = value.to_owned(),
                _ => return Err(fail(number, format!("unknown header `{key}: {value}`"))),
            }
        }
        let code = check.code.as_str();
        if code.is_empty() || !code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(fail(0, "`code` must be lower case letters, digits and hyphens".into()));
        }
        if check.title.is_empty() {
            return Err(fail(0, format!("check {code} has no title")));
        }
        check.step = step.ok_or_else(|| fail(0, format!("check {code} names no step")))?;
        Ok(check)
    }

    /// SHA-256 (hex) of the file's bytes.
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.text.as_bytes()))
    }
}

fn from_word<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}
