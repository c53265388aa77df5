//! Suppressions in a script's comments: a rule is accepted at a place, with a reason, or the acceptance does not count.
//!
//! - `-- ledger: allow RULE[, RULE] because REASON` before or in the statement it is about
//! - `-- ledger: allow-file RULE[, RULE] because REASON` anywhere in the file
//! - squawk's own: `-- squawk-ignore RULE -- REASON`, `-- squawk-ignore-file RULE -- REASON`

use squawk_lexer::{TokenKind, tokenize};

use super::{Remark, rules};
use crate::migrate::split::{Place, place_of};

/// One acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Suppression {
    rule: String,
    reason: Option<String>,
    /// Byte offset of its comment.
    at: usize,
    place: Place,
    whole_file: bool,
    used: bool,
}

/// All acceptances of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suppressions(Vec<Suppression>);

impl Suppressions {
    /// Reads the comments of a script.
    pub fn read(text: &str) -> Self {
        let mut found = Vec::new();
        if !text.contains("ledger:") && !text.contains("squawk-ignore") {
            return Self(found);
        }
        let mut offset = 0;
        for token in tokenize(text) {
            let (start, end) = (offset, offset + token.len as usize);
            offset = end;
            if !matches!(token.kind, TokenKind::LineComment | TokenKind::BlockComment { terminated: true }) {
                continue;
            }
            let body = text[start..end].trim_start_matches("--").trim_start_matches("/*").trim_end_matches("*/").trim();
            let Some((whole_file, rules, reason)) = parse(body) else { continue };
            let place = place_of(text, start);
            found.extend(rules.split(',').map(str::trim).filter(|rule| !rule.is_empty()).map(|rule| Suppression {
                rule: rule.to_owned(),
                reason: reason.map(str::to_owned),
                at: start,
                place,
                whole_file,
                used: false,
            }));
        }
        Self(found)
    }

    /// The reason for which this rule is accepted for a statement. `statement`: from the end of the statement before to its own end, in bytes.
    pub fn accepts(&mut self, rule: &str, statement: std::ops::Range<usize>) -> Option<String> {
        let mut accepted = None;
        for suppression in self.0.iter_mut().filter(|s| s.rule == rule && (s.whole_file || statement.contains(&s.at))) {
            suppression.used = true;
            accepted = accepted.or_else(|| suppression.reason.clone());
        }
        accepted
    }

    /// Remarks about the suppressions themselves, once everything they could accept was asked for. Rules of `elsewhere` are judged by what
    /// this run did not look at, so that nothing is said of them.
    pub fn remarks(&self, elsewhere: impl Fn(&str) -> bool) -> Vec<Remark> {
        let remark = |s: &Suppression, rule: &str, message: String| Remark::new(rule, s.place, message);
        self.0
            .iter()
            .filter_map(|s| match (rules::find(&s.rule), &s.reason, s.used) {
                (None, ..) => {
                    Some(remark(s, "suppression-unknown-rule", format!("there is no rule {}; ledger checks list shows them", s.rule)))
                }
                (_, None, _) => Some(remark(
                    s,
                    "suppression-without-reason",
                    format!("{} is not accepted without a reason: -- ledger: allow {} because …", s.rule, s.rule),
                )),
                (Some(_), Some(_), false) if !elsewhere(&s.rule) => {
                    Some(remark(s, "suppression-stale", format!("{} does not fire here: take the comment away", s.rule)))
                }
                _ => None,
            })
            .collect()
    }
}

/// Whether it is for the whole file, the rules, the reason.
fn parse(body: &str) -> Option<(bool, &str, Option<&str>)> {
    let given = |reason: &'_ str| !reason.trim().is_empty();
    if let Some(rest) = body.strip_prefix("ledger:").map(str::trim_start) {
        let (whole, rest) = match rest.strip_prefix("allow-file ") {
            Some(rest) => (true, rest),
            None => (false, rest.strip_prefix("allow ")?),
        };
        let (rules, reason) = match rest.split_once(" because ") {
            Some((rules, reason)) => (rules, Some(reason.trim()).filter(|reason| given(reason))),
            None => (rest, None),
        };
        return Some((whole, rules, reason));
    }
    let (whole, rest) = match body.strip_prefix("squawk-ignore-file") {
        Some(rest) => (true, rest),
        None => (false, body.strip_prefix("squawk-ignore")?),
    };
    let (rules, reason) = match rest.split_once("--") {
        Some((rules, reason)) => (rules, Some(reason.trim()).filter(|reason| given(reason))),
        None => (rest, None),
    };
    Some((whole, rules.trim(), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_read_and_accounted_for() {
        let text = "-- ledger: allow-file drop-cascade because it is a test\n\
                    -- ledger: allow policy-dropped, no-such-rule because the next file makes it again\n\
                    drop policy p on t; -- squawk-ignore ban-drop-table\n\
                    drop table t; /* squawk-ignore ban-drop-column -- nobody reads it */ select '-- ledger: allow x because y'";
        let mut suppressions = Suppressions::read(text);
        assert_eq!(suppressions.0.len(), 5);
        let second = text.find("drop table").unwrap_or_default();
        assert_eq!(suppressions.accepts("policy-dropped", 0..second - 30).as_deref(), Some("the next file makes it again"));
        assert_eq!(suppressions.accepts("policy-dropped", second..text.len()), None);
        assert_eq!(suppressions.accepts("ban-drop-table", second - 35..second + 12), None, "no reason, no acceptance");
        assert_eq!(suppressions.accepts("drop-cascade", second..second + 1).as_deref(), Some("it is a test"));
        let rules: Vec<String> =
            suppressions.remarks(|_| false).into_iter().map(|r| format!("{}:{} {}", r.place.line, r.place.column, r.rule)).collect();
        assert_eq!(rules, ["2:1 suppression-unknown-rule", "3:21 suppression-without-reason", "4:15 suppression-stale"]);
        assert_eq!(suppressions.remarks(|rule| rule == "ban-drop-column").len(), 2);
    }
}
