//! What can be said of scripts without running them: syntax errors, squawk-linter's rules, our own; suppressions with their reasons; and
//! how much was looked at. Places are 1-based.

mod coverage;
mod places;
pub mod rules;
pub mod sarif;
mod suppress;
mod syntax;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;
use squawk_linter::{Linter, Version};
use squawk_syntax::SourceFile;

pub use coverage::Coverage;
pub use rules::{ASKED, Concern, LEFT_OUT, RULES, RuleInfo};
pub use suppress::Suppressions;
pub use syntax::syntax;

use super::layout::Script;
use super::split::{Place, Splitter, Statement, decode};
use crate::domain::Severity;
use crate::pg::Catalog;
use places::Places;
use text::table_named;

/// Files longer than this are mostly data: their data statements are parsed one by one, and only as far as they differ.
const LONG: usize = 1 << 20;

/// Something found at a place of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The rule's name; `syntax` for errors of the parser.
    pub rule: String,
    #[serde(flatten)]
    pub place: Place,
    pub message: String,
    /// The table it is about, `schema.table`, where the statement names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Rows of that table, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Why it is accepted; `None`: it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Remark {
    pub(super) fn new(rule: &str, place: Place, message: String) -> Self {
        Self { rule: rule.to_owned(), place, message, table: None, rows: None, accepted: None }
    }

    /// A place for which the script cannot be run as it stands.
    pub fn refused(place: Place, message: &str) -> Self {
        Self::new("runnable", place, message.to_owned())
    }

    /// The rule's own severity; what is no SQL, or cannot be run, is high.
    pub fn severity(&self) -> Severity {
        rules::find(&self.rule).map_or(Severity::High, |rule| rule.severity)
    }

    /// What the rule is about.
    pub fn concern(&self) -> Concern {
        rules::find(&self.rule).map_or(Concern::Other, |rule| rule.concern)
    }
}

/// What is known of the target's tables; nothing, where no database was asked.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// `enabled, forced` and the like, by table.
    security: BTreeMap<String, String>,
    rows: BTreeMap<String, u64>,
}

impl Tables {
    /// From a catalog and counted rows (`schema.table`, rows).
    pub fn of(catalog: &Catalog, rows: impl IntoIterator<Item = (String, u64)>) -> Self {
        let security = catalog.objects.get("row security").cloned().unwrap_or_default();
        Self { security, rows: rows.into_iter().collect() }
    }

    fn forced(&self, table: &str) -> bool {
        self.security.get(table).is_some_and(|state| state == "enabled, forced")
    }

    fn secured(&self, table: &str) -> bool {
        self.security.get(table).is_some_and(|state| state.starts_with("enabled"))
    }
}

/// What examining scripts came to.
#[derive(Clone, Debug, Default)]
pub struct Examined {
    /// By script, in the order given; within one in order of place.
    pub remarks: Vec<(String, Vec<Remark>)>,
    pub coverage: Coverage,
    /// Of `accepted` in the configuration: which rules it accepted something of.
    pub used: Vec<String>,
}

/// One script to examine, and whether it runs in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    pub script: &'a Script,
    pub transactional: bool,
}

/// Lints a batch of ways up. `accepted`: rules accepted everywhere, with the reasons.
pub fn examine(given: &[Given<'_>], server_major: i32, tables: &Tables, accepted: &BTreeMap<String, String>) -> Examined {
    let mut examined = Examined { coverage: Coverage { rules: RULES.len() as u64, ..Coverage::default() }, ..Examined::default() };
    let mut batch = text::Batch::default();
    let mut files: Vec<File<'_>> = Vec::new();
    for one in given {
        examined.coverage.files += 1;
        let Ok(text) = decode(&one.script.bytes) else {
            examined.coverage.unreadable += 1;
            files.push(File { name: &one.script.file, remarks: Vec::new(), ranges: Vec::new(), suppressions: Suppressions::default() });
            continue;
        };
        batch.next_file();
        files.push(walk(files.len(), one, text, server_major, tables, &mut batch, &mut examined.coverage));
    }
    for (index, remark, offset) in batch.unsecured(tables) {
        files[index].remarks.push((offset, remark));
    }
    for mut file in files {
        let mut remarks = Vec::new();
        for (offset, mut remark) in std::mem::take(&mut file.remarks) {
            let range = file.range_of(offset);
            remark.rows = remark.table.as_ref().and_then(|table| tables.rows.get(table).copied());
            let everywhere = accepted.get(&remark.rule).cloned();
            if everywhere.is_some() && !examined.used.contains(&remark.rule) {
                examined.used.push(remark.rule.clone());
            }
            remark.accepted = file.suppressions.accepts(&remark.rule, range).or(everywhere);
            examined.coverage.accepted += u64::from(remark.accepted.is_some());
            remarks.push(remark);
        }
        // What the catalog answers is not known here.
        remarks.extend(file.suppressions.remarks(|rule| rules::find(rule).is_some_and(|rule| rule.source == rules::Source::Catalog)));
        remarks.sort_by(|a, b| (a.place, &a.rule).cmp(&(b.place, &b.rule)));
        examined.remarks.push((file.name.to_owned(), remarks));
    }
    examined
}

struct File<'a> {
    name: &'a str,
    /// With the byte offset in the file.
    remarks: Vec<(usize, Remark)>,
    /// From the end of the statement before to a statement's own end, with a comment on its line.
    ranges: Vec<std::ops::Range<usize>>,
    suppressions: Suppressions,
}

impl File<'_> {
    fn range_of(&self, offset: usize) -> std::ops::Range<usize> {
        let index = self.ranges.partition_point(|range| range.end <= offset);
        self.ranges.get(index).cloned().unwrap_or(offset..offset + 1)
    }
}

fn walk<'a>(
    index: usize,
    given: &Given<'a>,
    text: &str,
    server_major: i32,
    tables: &Tables,
    batch: &mut text::Batch,
    coverage: &mut Coverage,
) -> File<'a> {
    let mut file = File { name: &given.script.file, remarks: Vec::new(), ranges: Vec::new(), suppressions: Suppressions::read(text) };
    let long = text.len() > LONG;
    let mut kept: Vec<(usize, Cow<'_, str>)> = Vec::new();
    let mut before = 0;
    let mut splitter = Splitter::new(text);
    for statement in splitter.by_ref() {
        coverage.statements += 1;
        let end = statement.start + statement.text.len();
        let first = statement.what.split(' ').next().unwrap_or_default();
        let code =
            statement.what.starts_with("DO") || is_routine(&statement) && !statement.text.to_ascii_lowercase().contains("begin atomic");
        coverage.opaque += u64::from(code);
        let data = matches!(first, "INSERT" | "UPDATE" | "DELETE" | "SELECT" | "COPY" | "MERGE");
        let remarks = batch.statement(index, &statement, tables, given.transactional);
        file.remarks.extend(remarks.into_iter().map(|remark| (statement.start, about(remark, &statement))));
        if !long || !data {
            kept.push((statement.start, statement.sql()));
            file.ranges.push(before..end_with_comment(text, end));
        }
        before = end + 1;
    }
    // What follows the last statement is about it.
    if let Some(last) = file.ranges.last_mut().filter(|last| last.end + 1 >= before) {
        last.end = text.len().max(last.end);
    }
    // Squawk's own ignores are read by us, with their reasons; it is not to act on them.
    // What is psql's, and rows below a COPY, are not for a parser of SQL.
    let in_pieces = long || splitter.psql.is_some();
    let source = match in_pieces {
        false => text.replace("squawk-ignore", "squawk_ignore"),
        true => kept.iter().map(|(_, text)| format!("{};\n", text.replace("squawk-ignore", "squawk_ignore"))).collect(),
    };
    let mut linter = Linter::with_rules(&ASKED, &LEFT_OUT);
    linter.settings.assume_in_transaction = given.transactional;
    // A version the linter cannot read leaves its default, 15.
    if let Ok(version) = Version::from_str(&format!("{server_major}.0")) {
        linter.settings.pg_version = version;
    }
    let mut places = Places::of(text);
    let mut violations = linter.lint(&SourceFile::parse(&source), &source);
    violations.sort_by_key(|violation| violation.text_range.start());
    for violation in violations {
        let at = usize::from(violation.text_range.start());
        let offset = if in_pieces { original(&kept, at) } else { at };
        let mut remark = Remark::new(&violation.code.to_string(), places.at(offset), violation.message);
        let statement = kept.get(kept.partition_point(|(start, _)| *start <= offset).saturating_sub(1));
        remark.table = statement.and_then(|(_, text)| table_named(text));
        file.remarks.push((offset, remark));
    }
    file
}

/// The end of a statement, with a comment that follows it on its line.
fn end_with_comment(text: &str, end: usize) -> usize {
    let rest = text[end..].strip_prefix(';').unwrap_or(&text[end..]);
    let line = rest.split('\n').next().unwrap_or_default();
    match line.trim_start().starts_with("--") || line.trim_start().starts_with("/*") {
        true => text.len() - rest.len() + line.len(),
        false => end + 1,
    }
}

fn is_routine(statement: &Statement<'_>) -> bool {
    let what = &statement.what;
    ["CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", "CREATE PROCEDURE", "CREATE OR REPLACE PROCEDURE"]
        .iter()
        .any(|start| what.starts_with(start))
}

fn about(mut remark: Remark, statement: &Statement<'_>) -> Remark {
    remark.table = table_named(statement.text);
    remark
}

/// Byte offset in the file of a byte offset in the kept statements, each followed by a semicolon and a line feed.
fn original(kept: &[(usize, Cow<'_, str>)], at: usize) -> usize {
    let mut offset = 0;
    for (start, text) in kept {
        if at < offset + text.len() + 2 {
            return start + (at - offset).min(text.len());
        }
        offset += text.len() + 2;
    }
    kept.last().map_or(0, |(start, _)| *start)
}

/// How often each rule fired, and where first; what is accepted apart.
pub fn by_rule(remarks: &[Remark]) -> BTreeMap<(String, Option<String>), (usize, Remark)> {
    let mut rules: BTreeMap<(String, Option<String>), (usize, Remark)> = BTreeMap::new();
    for remark in remarks {
        rules
            .entry((remark.rule.clone(), remark.accepted.clone()))
            .and_modify(|(count, first)| {
                *count += 1;
                // The heaviest table speaks for all.
                if remark.rows > first.rows {
                    (first.rows, first.table) = (remark.rows, remark.table.clone());
                }
            })
            .or_insert((1, remark.clone()));
    }
    rules
}

#[cfg(test)]
mod tests;
