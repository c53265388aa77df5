//! What can be said of scripts without running them: syntax errors, squawk-linter's rules, our own; suppressions with their reasons; and
//! how much was looked at. Places are 1-based.

pub mod rules;
pub mod sarif;
mod suppress;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;
use squawk_linter::{Linter, Version};
use squawk_syntax::SourceFile;

pub use rules::{ASKED, Concern, LEFT_OUT, RULES, RuleInfo};
pub use suppress::Suppressions;

use super::layout::Script;
use super::split::{Place, Splitter, Statement, decode, may_hold_psql, place_of};
use crate::domain::Severity;
use crate::pg::Catalog;

/// Files longer than this are mostly data: their data statements are parsed one by one, and only as far as they differ.
const LONG: usize = 1 << 20;

/// Equal data statements in a row that are parsed before the rest is left to PostgreSQL.
const PARSED_IN_A_ROW: usize = 200;

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
    let mut places = Places { text, offset: 0, line: 1, line_start: 0 };
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

/// The table that a statement changes, as far as its first words tell.
fn table_named(text: &str) -> Option<String> {
    let mut end = text.len().min(2048);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let squeezed = text::squeezed(&text[..end]);
    let starts = [
        "alter table ",
        "create table ",
        "create unlogged table ",
        "drop table ",
        "truncate table ",
        "truncate ",
        "insert into ",
        "update ",
        "delete from ",
        "merge into ",
        "vacuum full ",
        "cluster ",
        "lock table ",
    ];
    if let Some(table) = starts.iter().find_map(|start| text::target_of(&squeezed, start)) {
        return Some(table);
    }
    ["create index ", "create unique index ", "create policy ", "alter policy ", "drop policy ", "create trigger ", "drop trigger "]
        .iter()
        .any(|start| squeezed.starts_with(start))
        .then(|| squeezed.find(" on ").and_then(|at| text::target_of(&squeezed[at..], " on ")))
        .flatten()
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

/// Offsets to places, moving forward only.
struct Places<'a> {
    text: &'a str,
    offset: usize,
    line: u64,
    line_start: usize,
}

impl Places<'_> {
    fn at(&mut self, offset: usize) -> Place {
        let offset = offset.min(self.text.len()).max(self.offset);
        for at in memchr::memchr_iter(b'\n', &self.text.as_bytes()[self.offset..offset]) {
            self.line += 1;
            self.line_start = self.offset + at + 1;
        }
        self.offset = offset;
        let mut end = offset;
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        Place { line: self.line, column: self.text[self.line_start.min(end)..end].chars().count() as u64 + 1 }
    }
}

/// The parser's errors, and how many repeated data statements were not parsed.
pub fn syntax(text: &str) -> (Vec<Remark>, u64) {
    let long = text.len() > LONG;
    if !long && !is_psqls(text) {
        return (syntax_from(text, 0, text), 0);
    }
    // A tree of the whole would be many times its size, and what is psql's is no SQL.
    let (mut remarks, mut unparsed) = (Vec::new(), 0);
    let (mut last, mut row) = (String::new(), 0);
    for statement in Splitter::new(text) {
        row = if statement.what == last { row + 1 } else { 0 };
        last.clone_from(&statement.what);
        match row < PARSED_IN_A_ROW || !long {
            true => remarks.extend(syntax_from(text, statement.start, &statement.sql())),
            false => unparsed += 1,
        }
    }
    (remarks, unparsed)
}

/// Whether something in a text is psql's.
fn is_psqls(text: &str) -> bool {
    if !may_hold_psql(text) {
        return false;
    }
    let mut splitter = Splitter::new(text);
    splitter.by_ref().for_each(drop);
    splitter.psql.is_some()
}

fn syntax_from(text: &str, start: usize, part: &str) -> Vec<Remark> {
    SourceFile::parse(part)
        .errors()
        .into_iter()
        .map(|error| Remark::new("syntax", place_of(text, start + usize::from(error.range().start())), error.message().to_owned()))
        .collect()
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
mod tests {
    use super::*;

    fn examined(files: &[&str], tables: &Tables, accepted: &[(&str, &str)]) -> Examined {
        let scripts: Vec<Script> =
            files.iter().enumerate().map(|(i, text)| Script::new(format!("{}.sql", i + 1), text.as_bytes().to_vec())).collect();
        let given: Vec<Given<'_>> = scripts.iter().map(|script| Given { script, transactional: true }).collect();
        examine(&given, 15, tables, &accepted.iter().map(|(rule, reason)| ((*rule).into(), (*reason).into())).collect())
    }

    fn rules(text: &str) -> Vec<String> {
        let examined = examined(&[text], &Tables::default(), &[]);
        examined.remarks[0].1.iter().filter(|remark| remark.accepted.is_none()).map(|remark| remark.rule.clone()).collect()
    }

    #[test]
    fn syntax_errors_have_places() {
        assert_eq!(syntax("select 1;\ncreate table t (id int primary key);\n"), (Vec::new(), 0));
        let (remarks, _) = syntax("select 1;\ncreate tabel t (id int);\n");
        assert_eq!(remarks[0].place.line, 2);
        assert!(!syntax("create table t (id int;").0.is_empty());
    }

    #[test]
    fn lint_speaks_of_locks_and_not_of_taste() {
        let remarks =
            examined(&["create index i on t (a);\ncreate index j on t (b);\nalter table t add column c int;\n"], &Tables::default(), &[]);
        let rules = by_rule(&remarks.remarks[0].1);
        let (count, first) = &rules[&("require-concurrent-index-creation".to_owned(), None)];
        assert_eq!((*count, first.place.line), (2, 1));
        assert!(!rules.keys().any(|(rule, _)| rule.starts_with("prefer-")), "{rules:?}");
    }

    #[test]
    fn what_opens_row_security_is_named() {
        assert_eq!(rules("create policy p on t using /* all */ (  TRUE )"), ["policy-lets-everyone-in"]);
        assert_eq!(rules("create policy p on t for insert with check (true)"), ["policy-lets-everyone-in"]);
        assert_eq!(rules("create policy p on t using (tenant = 'true')"), Vec::<String>::new());
        assert_eq!(rules("drop policy p on t; alter table t disable row level security"), ["policy-dropped", "row-security-disabled"]);
        assert_eq!(rules("alter table t no force row level security"), ["row-security-not-forced"]);
        assert_eq!(rules("create function f() returns void language sql security definer as 'select 1'"), ["definer-without-search-path"]);
        let safe = "create function f() returns void language sql security definer set search_path = '' as 'select 1'";
        assert_eq!(rules(safe), Vec::<String>::new());
    }

    #[test]
    fn a_new_table_of_the_exposed_schema_wants_row_security_somewhere_in_the_batch() {
        assert_eq!(rules("create table if not exists docs (id int)"), ["table-without-row-security"]);
        assert_eq!(rules("create table docs (id int); alter table public.docs enable row level security"), Vec::<String>::new());
        assert_eq!(rules("create table private.docs (id int)"), Vec::<String>::new());
        let two = examined(
            &["create table public.\"T\" (id int);", "alter table only \"T\" enable row level security;"],
            &Tables::default(),
            &[],
        );
        assert_eq!(two.remarks[0].1, []);
    }

    #[test]
    fn other_rules_of_ours() {
        assert_eq!(rules("drop table if exists x cascade"), ["ban-drop-table", "drop-cascade"]);
        assert_eq!(
            rules("set lock_timeout = '1s'; create index concurrently i on t (a)"),
            ["setting-leaks", "short-timeout-on-concurrently", "ban-concurrent-index-creation-in-transaction"]
        );
        assert_eq!(rules("set local search_path = a; set constraints all immediate"), Vec::<String>::new());
        let objects = [("row security".into(), [("public.t".into(), "enabled, forced".into())].into())].into();
        let catalog = Catalog { objects, ..Catalog::default() };
        let tables = Tables::of(&catalog, [("public.t".into(), 7)]);
        let remarks = &examined(&["update t set a = 1; insert into u values (1)"], &tables, &[]).remarks[0].1;
        assert_eq!(remarks.len(), 1);
        assert_eq!((remarks[0].rule.as_str(), remarks[0].rows), ("data-change-under-row-security", Some(7)));
    }

    #[test]
    fn suppressions_hold_for_their_statement_with_a_reason_and_are_stale_without_a_use() {
        assert_eq!(
            rules("select 1; -- ledger: allow drop-cascade because the view is made again below\ndrop view v cascade"),
            ["ban-drop-view"]
        );
        assert_eq!(rules("drop view v cascade -- ledger: allow drop-cascade, ban-drop-view because it is empty\n"), Vec::<String>::new());
        assert_eq!(rules("drop view v; -- squawk-ignore ban-drop-view -- it is empty\n"), Vec::<String>::new());
        assert_eq!(rules("drop table v; -- squawk-ignore ban-drop-view -- it is empty\n"), ["ban-drop-table", "suppression-stale"]);
        assert_eq!(rules("-- squawk-ignore ban-drop-view\ndrop view v"), ["suppression-without-reason", "ban-drop-view"]);
        assert_eq!(rules("-- ledger: allow policy-lost because the dry run tells\nselect 1"), Vec::<String>::new());
        let everywhere = examined(&["drop view v"], &Tables::default(), &[("ban-drop-view", "empty"), ("drop-cascade", "never")]);
        assert_eq!(everywhere.used, ["ban-drop-view"]);
        assert_eq!(everywhere.remarks[0].1[0].accepted.as_deref(), Some("empty"));
    }

    #[test]
    fn a_long_file_of_data_is_looked_at_in_little_and_says_so() {
        let data = "insert into public.t values (1, 'some text; and more');\n".repeat(30_000);
        let text = format!("{data}create index i on public.t (a);\n{data}select (;\n");
        let found = examined(&[&text], &Tables::default(), &[]);
        let remarks = &found.remarks[0].1;
        assert_eq!(
            remarks.iter().map(|r| (r.rule.as_str(), r.place.line, r.place.column)).collect::<Vec<_>>(),
            [("require-concurrent-index-creation", 30_001, 1)]
        );
        assert_eq!(found.coverage.statements, 60_002);
        let (errors, unparsed) = syntax(&text);
        assert_eq!((errors.len() as u64 >= 1, errors[0].place.line, unparsed), (true, 60_002, 60_000 - 400));
    }

    #[test]
    fn every_remark_has_a_rule_and_sarif_holds_them() {
        let texts = ["drop table a cascade;", "update t set a = 1; create table t (id int);"];
        let found = examined(&texts, &Tables::default(), &[("drop-cascade", "a \"reason\"")]);
        let log = sarif::sarif("my migrations", &found.remarks);
        assert_eq!(log["version"], "2.1.0");
        let results = log["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.len(), 3);
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
        assert_eq!(results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "my%20migrations/1.sql");
        assert_eq!(results[1]["suppressions"][0]["justification"], "a \"reason\"");
        assert_eq!(results[2]["level"], "warning");
    }
}
