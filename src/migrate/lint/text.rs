//! Our own rules that a script's text answers, statement by statement.

use std::collections::BTreeSet;

use squawk_lexer::{TokenKind, tokenize};

use super::{Remark, Tables};
use crate::migrate::split::{Statement, StatementKind};

/// Schemas that a database hands to its clients unless told otherwise (PostgreSQL: public; PostgREST and Supabase the same).
const EXPOSED: &str = "public";

/// Statements longer than this are data, and only their beginning is looked at.
const LOOKED_AT: usize = 64 * 1024;

/// What one walk over the statements of a batch of files gathers.
#[derive(Debug, Default)]
pub struct Batch {
    /// Tables that get row security somewhere in the batch, in lower case with their schema.
    secured: BTreeSet<String>,
    /// Tables made in the exposed schema: file, statement's place, table.
    made: Vec<(usize, Remark, usize)>,
    /// A lock or statement timeout that a file has set, by the file in hand.
    timeout: Option<String>,
}

impl Batch {
    /// Another file begins.
    pub fn next_file(&mut self) {
        self.timeout = None;
    }

    /// The remarks about one statement of the file at this index. Tables that lack row security are told by [`Batch::unsecured`].
    pub fn statement(&mut self, file: usize, statement: &Statement<'_>, tables: &Tables, transactional: bool) -> Vec<Remark> {
        let mut end = statement.text.len().min(LOOKED_AT);
        while !statement.text.is_char_boundary(end) {
            end -= 1;
        }
        let text = squeezed(&statement.text[..end]);
        let what = &statement.what;
        let mut remarks = Vec::new();
        let mut say = |rule: &str, message: String| remarks.push(Remark::new(rule, statement.place, message));
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
        if text.starts_with("drop ") && text.ends_with(" cascade") {
            say("drop-cascade", format!("{what}: what depends on it goes too, and nothing here says what that is"));
        }
        if text.starts_with("alter table ") {
            if text.contains("disable row level security") {
                say("row-security-disabled", what.clone());
            }
            if text.contains("no force row level security") {
                say("row-security-not-forced", what.clone());
            }
            if text.contains("enable row level security") {
                self.secured.extend(target_of(&text, "alter table "));
            }
        }
        let routine = ["create function ", "create or replace function ", "create procedure ", "create or replace procedure "];
        if routine.iter().any(|start| text.starts_with(start)) && text.contains("security definer") && !text.contains("set search_path") {
            say("definer-without-search-path", format!("{what}: SECURITY DEFINER without SET search_path"));
        }
        if let Some(table) = target_of(&text, "create table ").or_else(|| target_of(&text, "create unlogged table "))
            && table.starts_with(&format!("{EXPOSED}."))
            && !text.contains(" partition of ")
        {
            let message = format!("{what}: in the schema {EXPOSED}, and no file of the batch enables row security on it");
            let remark = Remark { table: Some(table), ..Remark::new("table-without-row-security", statement.place, message) };
            self.made.push((file, remark, statement.start));
        }
        for start in ["insert into ", "update only ", "update ", "delete from only ", "delete from ", "merge into "] {
            let Some(table) = target_of(&text, start) else { continue };
            if tables.forced(&table) {
                let message = format!(
                    "{what}: row security is forced on {table}; a role that does not bypass it gets an error here (row_security = off), \
                     with other tools it changes no row"
                );
                say("data-change-under-row-security", message);
            }
            break;
        }
        if let Some(rest) = text.strip_prefix("set ")
            && !["local ", "constraints ", "transaction "].iter().any(|word| rest.starts_with(word))
        {
            let name = rest.trim_start_matches("session ").split([' ', '=']).next().unwrap_or_default().to_owned();
            if transactional {
                say("setting-leaks", format!("{what}: lasts after the file with tools that keep their session; SET LOCAL {name} does not"));
            }
            if matches!(name.as_str(), "lock_timeout" | "statement_timeout") {
                self.timeout = Some(name);
            }
        }
        if statement.kind == StatementKind::Concurrently
            && let Some(timeout) = &self.timeout
        {
            say(
                "short-timeout-on-concurrently",
                format!("{what}: the {timeout} set above ends it at the first old snapshot, and an invalid index is left"),
            );
        }
        remarks
    }

    /// Tables of the exposed schema that no file of the batch secured: file, remark, the statement's offset.
    pub fn unsecured(self, tables: &Tables) -> Vec<(usize, Remark, usize)> {
        let open = |remark: &Remark| {
            let table = remark.table.as_deref().unwrap_or_default();
            !self.secured.contains(table) && !tables.secured(table)
        };
        self.made.into_iter().filter(|(_, remark, _)| open(remark)).collect()
    }
}

/// The table that follows these words, in lower case where it is not quoted, with its schema.
pub(super) fn target_of(squeezed: &str, after: &str) -> Option<String> {
    let rest = squeezed.strip_prefix(after)?;
    let rest = ["if not exists ", "if exists ", "only "].iter().fold(rest, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
    let words: Vec<&str> = rest.splitn(4, ' ').collect();
    Some(match words.as_slice() {
        [schema, ".", table, ..] => format!("{schema}.{table}"),
        [table, ..] => format!("public.{table}"),
        [] => return None,
    })
}

/// The statement's own words, lower case, one space between: comments and literals apart, parentheses tight.
pub(super) fn squeezed(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4096));
    let mut offset = 0;
    for token in tokenize(text) {
        let word = &text[offset..offset + token.len as usize];
        offset += token.len as usize;
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => {}
            TokenKind::Literal { .. } => out.push_str(" ?"),
            TokenKind::CloseParen => out.push(')'),
            kind => {
                if !out.is_empty() && !out.ends_with('(') {
                    out.push(' ');
                }
                match kind {
                    TokenKind::QuotedIdent { .. } => out.push_str(word),
                    _ => out.push_str(&word.to_ascii_lowercase()),
                }
            }
        }
    }
    out
}

/// The table that a statement changes, as far as its first words tell.
pub fn table_named(text: &str) -> Option<String> {
    let mut end = text.len().min(2048);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let squeezed = squeezed(&text[..end]);
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
    if let Some(table) = starts.iter().find_map(|start| target_of(&squeezed, start)) {
        return Some(table);
    }
    ["create index ", "create unique index ", "create policy ", "alter policy ", "drop policy ", "create trigger ", "drop trigger "]
        .iter()
        .any(|start| squeezed.starts_with(start))
        .then(|| squeezed.find(" on ").and_then(|at| target_of(&squeezed[at..], " on ")))
        .flatten()
}
