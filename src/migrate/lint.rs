//! What can be said of a script without running it: syntax errors, lint, security smells. Places are 1-based.

use std::collections::BTreeMap;
use std::str::FromStr;

use squawk_linter::{Linter, Rule, Version};
use squawk_syntax::SourceFile;

use super::split::{Place, Split, place_of};

/// Rules of taste, and rules about what `ledger` does itself (timeouts, the transaction around a file): left out, and named so.
pub const LEFT_OUT: [Rule; 12] = [
    Rule::PreferBigintOverInt,
    Rule::PreferBigintOverSmallint,
    Rule::PreferIdentity,
    Rule::PreferRobustStmts,
    Rule::PreferTextField,
    Rule::PreferTimestampTz,
    Rule::BanCharField,
    Rule::RequireLockTimeout,
    Rule::RequireStatementTimeout,
    Rule::RequireTimeoutSettings,
    Rule::TransactionNesting,
    Rule::BanUncommittedTransaction,
];

/// Something found at a place of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The rule's name; `syntax` for errors of the parser.
    pub rule: String,
    pub place: Place,
    pub message: String,
}

/// The parser's errors.
pub fn syntax(text: &str) -> Vec<Remark> {
    SourceFile::parse(text)
        .errors()
        .into_iter()
        .map(|error| Remark {
            rule: "syntax".into(),
            place: place_of(text, usize::from(error.range().start())),
            message: error.message().to_owned(),
        })
        .collect()
}

/// squawk-linter's violations, one remark each, in order.
pub fn lint(text: &str, server_major: i32, transactional: bool) -> Vec<Remark> {
    let mut linter = Linter::with_rules(&[], &LEFT_OUT);
    linter.settings.assume_in_transaction = transactional;
    // A version the linter cannot read leaves its default, 15.
    if let Ok(version) = Version::from_str(&format!("{server_major}.0")) {
        linter.settings.pg_version = version;
    }
    let mut remarks: Vec<Remark> = linter
        .lint(&SourceFile::parse(text), text)
        .into_iter()
        .map(|violation| Remark {
            rule: violation.code.to_string(),
            place: place_of(text, usize::from(violation.text_range.start())),
            message: violation.message,
        })
        .collect();
    remarks.sort_by(|a, b| (a.place, &a.rule).cmp(&(b.place, &b.rule)));
    remarks
}

/// How often each rule fired, and where first.
pub fn by_rule(remarks: Vec<Remark>) -> BTreeMap<String, (usize, Remark)> {
    let mut rules: BTreeMap<String, (usize, Remark)> = BTreeMap::new();
    for remark in remarks {
        rules.entry(remark.rule.clone()).and_modify(|(count, _)| *count += 1).or_insert((1, remark));
    }
    rules
}

/// Statements that open what row security closes.
pub fn security(split: &Split<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for statement in &split.statements {
        let text = squeezed(statement.text);
        let mut say = |rule: &str, message: String| remarks.push(Remark { rule: rule.into(), place: statement.place, message });
        let what = &statement.what;
        if text.starts_with("create policy ") || text.starts_with("alter policy ") {
            for clause in ["using (true)", "with check (true)"] {
                if text.contains(clause) {
                    say("policy-lets-everyone-in", format!("{what}: {}", clause.to_ascii_uppercase()));
                }
            }
        }
        if text.starts_with("drop policy ") {
            say("policy-dropped", what.clone());
        }
        if text.starts_with("alter table ") && text.contains("disable row level security") {
            say("row-security-disabled", what.clone());
        }
        if text.starts_with("alter table ") && text.contains("no force row level security") {
            say("row-security-not-forced", what.clone());
        }
        let routine = ["create function ", "create or replace function ", "create procedure ", "create or replace procedure "];
        if routine.iter().any(|start| text.starts_with(start)) && text.contains("security definer") && !text.contains("set search_path") {
            say("definer-without-search-path", format!("{what}: SECURITY DEFINER without SET search_path"));
        }
    }
    remarks
}

/// The statement's own words, lower case, one space between: comments and literals apart, parentheses tight.
fn squeezed(text: &str) -> String {
    use squawk_lexer::{TokenKind, tokenize};
    let mut out = String::with_capacity(text.len().min(4096));
    let mut offset = 0;
    for token in tokenize(text) {
        let word = &text[offset..offset + token.len as usize];
        offset += token.len as usize;
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => {}
            TokenKind::Literal { .. } => out.push_str(" ?"),
            TokenKind::CloseParen => out.push(')'),
            _ => {
                if !out.is_empty() && !out.ends_with('(') {
                    out.push(' ');
                }
                out.push_str(&word.to_ascii_lowercase());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::split::split;

    #[test]
    fn syntax_errors_have_places() {
        assert_eq!(syntax("select 1;\ncreate table t (id int primary key);\n"), []);
        let remarks = syntax("select 1;\ncreate tabel t (id int);\n");
        assert_eq!(remarks[0].place.line, 2);
        assert!(!syntax("create table t (id int;").is_empty());
    }

    #[test]
    fn lint_speaks_of_locks_and_not_of_taste() {
        let rules = by_rule(lint("create index i on t (a);\ncreate index j on t (b);\nalter table t add column c int;\n", 15, true));
        assert_eq!(rules["require-concurrent-index-creation"].0, 2);
        assert_eq!(rules["require-concurrent-index-creation"].1.place.line, 1);
        assert!(!rules.keys().any(|rule| rule.starts_with("prefer-")), "{rules:?}");
    }

    #[test]
    fn what_opens_row_security_is_named() {
        let rules = |text: &str| security(&split(text)).into_iter().map(|r| r.rule).collect::<Vec<_>>();
        assert_eq!(rules("create policy p on t using /* all */ (  TRUE )"), ["policy-lets-everyone-in"]);
        assert_eq!(rules("create policy p on t for insert with check (true)"), ["policy-lets-everyone-in"]);
        assert_eq!(rules("create policy p on t using (tenant = 'true')"), Vec::<String>::new());
        assert_eq!(rules("drop policy p on t; alter table t disable row level security"), ["policy-dropped", "row-security-disabled"]);
        assert_eq!(rules("alter table t no force row level security"), ["row-security-not-forced"]);
        assert_eq!(rules("create function f() returns void language sql security definer as 'select 1'"), ["definer-without-search-path"]);
        let safe = "create function f() returns void language sql security definer set search_path = '' as 'select 1'";
        assert_eq!(rules(safe), Vec::<String>::new());
    }
}
