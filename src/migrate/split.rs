//! A script cut into statements, each with its place; what cannot be run as it stands is refused with the reason.
//!
//! Statements end as psql ends them: at a semicolon outside of literals, comments, parentheses and `BEGIN ATOMIC … END` bodies
//! (PostgreSQL manual, psql; `psqlscan.l`). Tokens are squawk-lexer's.

mod kind;

use squawk_lexer::{LiteralKind, Token, TokenKind, tokenize};

pub use kind::StatementKind;
use kind::{Words, kind_of};

use super::layout::Script;

/// A place in a file, 1-based; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// 1-based.
    pub number: u64,
    /// From the first word to before the semicolon.
    pub text: &'a str,
    /// Byte offset of `text` in the decoded script.
    pub start: usize,
    pub place: Place,
    /// First keywords and the object: `CREATE INDEX idx_clauses ON public.clauses`. Never a literal.
    pub what: String,
    pub kind: StatementKind,
}

/// Why a script cannot be run as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    InvalidUtf8,
    NulByte,
    Unterminated(&'static str),
    MetaCommand,
    CopyFromStdin,
    TransactionControl,
}

/// A refusal, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: RefusalReason,
    pub place: Place,
    /// The statement it stands in, 1-based; 0 before any statement could be read.
    pub number: u64,
    pub message: String,
}

/// A script's statements, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split<'a> {
    pub statements: Vec<Statement<'a>>,
    pub refusals: Vec<Refusal>,
    /// A comment before the first statement says `no-transaction`.
    pub no_transaction: bool,
    /// The file begins with a byte order mark, which is not sent.
    pub bom: bool,
}

impl Split<'_> {
    /// Whether all of it can run in one transaction.
    pub fn transactional(&self) -> bool {
        !self.no_transaction && !self.statements.iter().any(|s| matches!(s.kind, StatementKind::Alone | StatementKind::Concurrently))
    }
}

/// The script's text: UTF-8, without a byte order mark.
pub fn decode(bytes: &[u8]) -> Result<&str, Refusal> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let place = place_of(&before, before.len());
        Refusal {
            reason: RefusalReason::InvalidUtf8,
            place,
            number: 0,
            message: format!("not UTF-8: the byte 0x{:02x} here; save the file as UTF-8", bytes[error.valid_up_to()]),
        }
    })?;
    match text.find('\0') {
        None => Ok(text),
        Some(at) => Err(Refusal {
            reason: RefusalReason::NulByte,
            place: place_of(text, at),
            number: 0,
            message: "a zero byte, which PostgreSQL cannot take; is this file UTF-16?".into(),
        }),
    }
}

/// The place of a byte offset.
pub fn place_of(text: &str, offset: usize) -> Place {
    let before = &text[..offset.min(text.len())];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place { line: before.bytes().filter(|b| *b == b'\n').count() as u64 + 1, column: before[line_start..].chars().count() as u64 + 1 }
}

/// What a script is as a whole, without keeping its statements: a long one is walked in little memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    pub statements: u64,
    pub refusals: Vec<Refusal>,
    pub transactional: bool,
    /// The file begins with a byte order mark, which is not sent.
    pub bom: bool,
}

impl Survey {
    /// Walks the bytes once.
    pub fn of(bytes: &[u8]) -> Self {
        let text = match decode(bytes) {
            Ok(text) => text,
            Err(refusal) => return Self { refusals: vec![refusal], transactional: true, ..Self::default() },
        };
        let mut splitter = Splitter::new(text);
        let mut survey = Self { transactional: true, bom: bytes.starts_with(b"\xef\xbb\xbf"), ..Self::default() };
        for statement in &mut splitter {
            survey.statements += 1;
            survey.transactional &= !matches!(statement.kind, StatementKind::Alone | StatementKind::Concurrently);
        }
        survey.transactional &= !splitter.no_transaction;
        survey.refusals = splitter.refusals;
        survey
    }
}

/// Whether this script runs in one transaction; scripts that cannot be read count as such, they never run.
pub fn runs_in_a_transaction(script: &Script) -> bool {
    script.wrapped && Survey::of(&script.bytes).transactional
}

/// [`decode`], then [`split`]; a script that cannot be decoded has no statements and one refusal.
pub fn split_bytes(bytes: &[u8]) -> Split<'_> {
    match decode(bytes) {
        Ok(text) => Split { bom: bytes.starts_with(b"\xef\xbb\xbf"), ..split(text) },
        Err(refusal) => Split { refusals: vec![refusal], ..Split::default() },
    }
}

/// Cuts a text into statements.
pub fn split(text: &str) -> Split<'_> {
    let mut splitter = Splitter::new(text);
    let statements = splitter.by_ref().collect();
    Split { statements, refusals: splitter.refusals, no_transaction: splitter.no_transaction, bom: false }
}

/// Offsets to places, moving forward only, so that a long file is walked once.
struct Places<'a> {
    text: &'a str,
    offset: usize,
    place: Place,
}

impl Places<'_> {
    fn at(&mut self, offset: usize) -> Place {
        for character in self.text[self.offset..offset].chars() {
            match character {
                '\n' => self.place = Place { line: self.place.line + 1, column: 1 },
                _ => self.place.column += 1,
            }
        }
        self.offset = offset;
        self.place
    }
}

/// Cuts a text into statements, one at a time.
pub struct Splitter<'a> {
    text: &'a str,
    tokens: Box<dyn Iterator<Item = Token> + 'a>,
    offset: usize,
    places: Places<'a>,
    current: Option<Current<'a>>,
    /// How many statements were cut.
    number: u64,
    /// After `COPY … FROM stdin` comes data, which is not looked at.
    in_data: bool,
    /// What was refused so far.
    pub refusals: Vec<Refusal>,
    /// A comment before the first statement says `no-transaction`.
    pub no_transaction: bool,
}

struct Current<'a> {
    start: usize,
    end: usize,
    place: Place,
    words: Words<'a>,
    parens: u32,
    /// Depth of `BEGIN ATOMIC` and `CASE` in the body of a function in standard SQL.
    body: u32,
    refused: bool,
}

impl<'a> Iterator for Splitter<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Statement<'a>> {
        while !self.in_data {
            let Some(token) = self.tokens.next() else { break };
            let (start, end) = (self.offset, self.offset + token.len as usize);
            self.offset = end;
            if let Some(statement) = self.take(token.kind, start, end) {
                return Some(statement);
            }
        }
        self.cut()
    }
}

impl<'a> Splitter<'a> {
    /// Begins at the first byte of a [decoded](decode) text.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            tokens: Box::new(tokenize(text)),
            offset: 0,
            places: Places { text, offset: 0, place: Place { line: 1, column: 1 } },
            current: None,
            number: 0,
            in_data: false,
            refusals: Vec::new(),
            no_transaction: false,
        }
    }

    fn take(&mut self, kind: TokenKind, start: usize, end: usize) -> Option<Statement<'a>> {
        match kind {
            TokenKind::Eof | TokenKind::Whitespace => {}
            TokenKind::LineComment => {
                if self.number == 0 && self.current.is_none() {
                    let comment = self.text[start..end].trim_start_matches('-').trim();
                    self.no_transaction |= comment == "no-transaction" || comment == "ledger: no-transaction";
                }
            }
            TokenKind::BlockComment { terminated: true } => {}
            TokenKind::Semi => match &self.current {
                Some(current) if current.parens > 0 || current.body > 0 => self.extend(kind, start, end),
                Some(_) => return self.cut(),
                None => {}
            },
            _ => {
                self.extend(kind, start, end);
                self.refuse(kind, start);
            }
        }
        None
    }

    fn extend(&mut self, kind: TokenKind, start: usize, end: usize) {
        let text = self.text;
        let token = &text[start..end];
        let place = match &self.current {
            None => self.places.at(start),
            Some(current) => current.place,
        };
        let current =
            self.current.get_or_insert_with(|| Current { start, end, place, words: Words::default(), parens: 0, body: 0, refused: false });
        current.end = end;
        match kind {
            TokenKind::OpenParen => current.parens += 1,
            TokenKind::CloseParen => current.parens = current.parens.saturating_sub(1),
            TokenKind::Ident if current.parens == 0 && current.words.defines_a_routine() => {
                if token.eq_ignore_ascii_case("begin") || (current.body > 0 && token.eq_ignore_ascii_case("case")) {
                    current.body += 1;
                } else if token.eq_ignore_ascii_case("end") {
                    current.body = current.body.saturating_sub(1);
                }
            }
            _ => {}
        }
        if current.parens == 0 {
            current.words.take(kind, token);
        }
    }

    fn refuse(&mut self, kind: TokenKind, start: usize) {
        let number = self.number + 1;
        let reason = match kind {
            TokenKind::Unknown if self.text[start..].starts_with('\\') => RefusalReason::MetaCommand,
            TokenKind::BlockComment { terminated: false } => RefusalReason::Unterminated("comment"),
            TokenKind::QuotedIdent { terminated: false, .. } => RefusalReason::Unterminated("quoted identifier"),
            TokenKind::Literal { kind } => match kind {
                LiteralKind::DollarQuotedString { terminated: false } => RefusalReason::Unterminated("dollar-quoted string"),
                LiteralKind::Str { terminated: false }
                | LiteralKind::NationalStr { terminated: false }
                | LiteralKind::ByteStr { terminated: false }
                | LiteralKind::BitStr { terminated: false }
                | LiteralKind::UnicodeEscStr { terminated: false }
                | LiteralKind::EscStr { terminated: false } => RefusalReason::Unterminated("string"),
                _ => return,
            },
            _ => return,
        };
        let message = match reason {
            RefusalReason::MetaCommand => {
                let command: String = self.text[start + 1..].chars().take_while(char::is_ascii_alphanumeric).take(20).collect();
                format!("the psql command \\{command} is not SQL; write what it does as SQL, or run this file with psql and record it")
            }
            RefusalReason::Unterminated(what) => format!("the {what} that begins here has no end"),
            _ => return,
        };
        // One psql command spoils the rest of its line; one message for it is enough.
        if let Some(current) = &mut self.current
            && !std::mem::replace(&mut current.refused, true)
        {
            let place = place_of(self.text, start);
            self.refusals.push(Refusal { reason, place, number, message });
        }
    }

    fn cut(&mut self) -> Option<Statement<'a>> {
        let current = self.current.take()?;
        self.number += 1;
        let number = self.number;
        let kind = kind_of(&current.words);
        self.in_data = kind == StatementKind::CopyFromStdin;
        if !current.refused {
            let refusal = match kind {
                StatementKind::TransactionControl => Some((
                    RefusalReason::TransactionControl,
                    format!(
                        "{} inside a migration: each file runs in one transaction of ledger's, which this would end; remove it",
                        current.words.first()
                    ),
                )),
                StatementKind::CopyFromStdin => Some((
                    RefusalReason::CopyFromStdin,
                    "COPY … FROM stdin with data in the file is psql's; write INSERT statements, or load the data with psql and record it"
                        .to_owned(),
                )),
                _ => None,
            };
            if let Some((reason, message)) = refusal {
                self.refusals.push(Refusal { reason, place: current.place, number, message });
            }
        }
        Some(Statement {
            number,
            text: &self.text[current.start..current.end],
            start: current.start,
            place: current.place,
            what: current.words.what(),
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text).statements.into_iter().map(|s| s.text).collect()
    }

    fn refusal(text: &str) -> String {
        let split = split(text);
        assert_eq!(split.refusals.len(), 1, "{:?}", split.refusals);
        let refusal = &split.refusals[0];
        format!("{}:{} #{} {}", refusal.place.line, refusal.place.column, refusal.number, refusal.message)
    }

    #[test]
    fn semicolons_count_only_outside_of_literals_comments_and_bodies() {
        assert_eq!(
            texts("select ';'; -- ; no\nselect /* ; /* ; */ */ 2;;\n;select \"a;b\""),
            ["select ';'", "select /* ; /* ; */ */ 2", "select \"a;b\""]
        );
        assert_eq!(texts("do $a$ begin; $b$;$b$; end $a$; select 1"), ["do $a$ begin; $b$;$b$; end $a$", "select 1"]);
        assert_eq!(texts("create rule r as on insert to t do (select 1; select 2); select 3").len(), 2);
        let atomic = "create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3";
        assert_eq!(texts(atomic).len(), 2);
        assert_eq!(texts("select e'it\\'s; one'; select 'a''b;'").len(), 2);
        assert_eq!(texts("-- nothing\n/* here */ ;"), Vec::<&str>::new());
    }

    #[test]
    fn statements_know_their_places() {
        let text = "-- first\n\nselect 1;\r\n  /* ü */ select 2;\nselect 3";
        let places: Vec<(u64, u64, u64)> = split(text).statements.iter().map(|s| (s.number, s.place.line, s.place.column)).collect();
        assert_eq!(places, [(1, 3, 1), (2, 4, 11), (3, 5, 1)]);
    }

    #[test]
    fn descriptions_never_hold_literals() {
        let what = |text: &str| split(text).statements[0].what.clone();
        assert_eq!(
            what("create index concurrently if not exists i on public.t (a)"),
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON public.t"
        );
        assert_eq!(what("insert into public.users values ('s3cret')"), "INSERT INTO public.users");
        assert_eq!(what("alter role app password 's3cret'"), "ALTER ROLE app PASSWORD");
        assert_eq!(what("update t set a = 's3cret'"), "UPDATE t");
        assert_eq!(what("do $$ begin perform 1; end $$"), "DO");
        assert_eq!(what("select 's3cret'"), "SELECT");
        assert_eq!(what("alter table public.\"T x\" enable row level security"), "ALTER TABLE public.\"T x\" ENABLE ROW LEVEL SECURITY");
        assert_eq!(what("select 42 as s3cret"), "SELECT");
    }

    #[test]
    fn transaction_control_is_refused_and_savepoints_are_not() {
        for text in ["commit", "BEGIN", "start transaction", "rollback", "end", "abort", "prepare transaction 'x'", "commit and chain"] {
            let refused = refusal(&format!("select 1;\n{text};"));
            assert!(refused.starts_with("2:1 #2 ") && refused.contains("inside a migration"), "{refused}");
        }
        let free = "savepoint a; rollback to savepoint a; rollback to a; release a; set transaction read only; create function f() returns void language plpgsql as $$ begin commit; end $$";
        assert_eq!(split(free).refusals, []);
    }

    #[test]
    fn what_only_psql_understands_is_refused_once_a_line() {
        let refused = refusal("\\set name 'value'\n");
        assert!(refused.starts_with("1:1 #1 the psql command \\set is not SQL"), "{refused}");
        assert_eq!(split("select '\\d', e'\\\\x'; -- \\d\n").refusals, []);
        let copy = "copy public.t (a, b) from stdin with (format text);\n1\tit's; \\N\n\\.\n";
        let refused = refusal(copy);
        assert!(refused.starts_with("1:1 #1 COPY … FROM stdin"), "{refused}");
        assert_eq!(split("copy t from program 'x'; copy t to stdout").refusals, []);
    }

    #[test]
    fn an_unterminated_literal_is_named_where_it_begins() {
        assert_eq!(refusal("select 1;\n  select 'abc;\n"), "2:10 #2 the string that begins here has no end");
        assert_eq!(refusal("do $x$ begin $y$ end"), "1:4 #1 the dollar-quoted string that begins here has no end");
        assert_eq!(refusal("select 1 /* open"), "1:10 #1 the comment that begins here has no end");
    }

    #[test]
    fn statements_that_cannot_share_a_transaction_are_known() {
        for text in [
            "create unique index concurrently i on t (a)",
            "drop index concurrently i",
            "reindex (verbose) table concurrently t",
            "reindex index concurrently i",
            "alter table p detach partition c concurrently",
        ] {
            assert_eq!(split(text).statements[0].kind, StatementKind::Concurrently, "{text}");
        }
        for text in [
            "vacuum t",
            "alter system set a = 1",
            "create database d",
            "drop database d",
            "create tablespace x location 'y'",
            "reindex schema s",
        ] {
            assert_eq!(split(text).statements[0].kind, StatementKind::Alone, "{text}");
        }
        for text in
            ["create index i on t (concurrently)", "create table concurrently ()", "refresh materialized view concurrently v", "analyze t"]
        {
            assert_eq!(split(text).statements[0].kind, StatementKind::Plain, "{text}");
        }
        assert!(!split("-- no-transaction\nselect 1").transactional());
        assert!(split("select 1; -- no-transaction\n").transactional());
    }

    #[test]
    fn bytes_are_decoded_or_refused_with_the_place() {
        let split = split_bytes(b"\xef\xbb\xbfselect 1;\r\n");
        assert!(split.bom);
        assert_eq!(split.statements[0].place, Place { line: 1, column: 1 });
        let refused = decode(b"select 1;\nselect '\xff'").unwrap_err();
        assert_eq!((refused.place.line, refused.place.column), (2, 9));
        assert_eq!(refused.message, "not UTF-8: the byte 0xff here; save the file as UTF-8");
        assert_eq!(decode(b"a\0b").unwrap_err().reason, RefusalReason::NulByte);
    }
}
