//! How much was looked at, in numbers and in one sentence.

use serde::Serialize;

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    pub files: u64,
    /// Files that are no text, and were not looked at.
    pub unreadable: u64,
    pub statements: u64,
    /// Statements whose code stands in a string: what it does is not seen.
    pub opaque: u64,
    /// Data statements of long files, equal to those before them, that only PostgreSQL parses.
    pub unparsed: u64,
    pub rules: u64,
    pub accepted: u64,
}

impl Coverage {
    /// `4 files, 37 statements, 61 rules; not seen: …`
    pub fn sentence(&self) -> String {
        let some = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let mut text =
            [some(self.files, "file"), some(self.statements, "statement"), some(self.rules, "rule"), some(self.accepted, "remark")]
                .join(", ");
        text.push_str(" accepted");
        let unseen = [
            (self.unreadable, "files that are no text"),
            (self.opaque, "statements whose code stands in a string (DO, functions)"),
            (self.unparsed, "repeated data statements, left to PostgreSQL"),
        ];
        let unseen: Vec<String> = unseen.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if !unseen.is_empty() {
            text.push_str(&format!("; not seen: {}", unseen.join(", ")));
        }
        text
    }
}
