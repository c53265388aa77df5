//! The cutter: a text walked once, token by token, and cut where psql cuts it.

use std::borrow::Cow;
use std::ops::Range;

use squawk_lexer::{LiteralKind, Token, TokenKind, tokenize};

use super::kind::{StatementKind, Words, kind_of};
use super::psql::{self, Command, Variables};
use super::{Place, Refusal, RefusalReason, place_of};

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
    /// Of `COPY … FROM stdin`: the rows that stand below it.
    pub data: Option<Data<'a>>,
    /// Where psql's variables stand in `text`, and what they are filled with.
    filled: Vec<(Range<usize>, String)>,
}

/// Rows that stand in a script, as they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Without the line `\.` that ends it.
    pub text: &'a str,
    /// The line of the file on which it begins, 1-based.
    pub line: u64,
}

impl<'a> Statement<'a> {
    /// What is sent: the text, with psql's variables filled in.
    pub fn sql(&self) -> Cow<'a, str> {
        if self.filled.is_empty() {
            return self.text.into();
        }
        let mut sql = String::new();
        let mut at = 0;
        for (range, value) in &self.filled {
            sql.push_str(&self.text[at..range.start]);
            sql.push_str(value);
            at = range.end;
        }
        sql.push_str(&self.text[at..]);
        sql.into()
    }

    /// Byte offset in the script of a character of [`Statement::sql`], counted from 1 as the server counts them.
    pub fn offset_of(&self, position: u32) -> usize {
        let nth = (position as usize).saturating_sub(1);
        let sql = self.sql();
        let within = sql.char_indices().nth(nth).map_or(0, |(at, _)| at);
        let mut shift = 0_isize;
        for (range, value) in &self.filled {
            let begins = range.start.saturating_add_signed(shift);
            if within < begins {
                break;
            }
            if within < begins + value.len() {
                return self.start + range.start;
            }
            shift += value.len() as isize - range.len() as isize;
        }
        self.start + within.saturating_add_signed(-shift)
    }
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
    variables: Variables,
    /// psql's commands that were passed over, each once.
    pub passed_over: Vec<&'a str>,
    /// The first place that only psql understands: one of its commands or variables, or rows below a COPY.
    pub psql: Option<Place>,
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
    filled: Vec<(Range<usize>, String)>,
}

impl<'a> Iterator for Splitter<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Statement<'a>> {
        while let Some(token) = self.tokens.next() {
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
            variables: Variables::new(),
            passed_over: Vec::new(),
            psql: None,
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
            TokenKind::Unknown if self.text[start..].starts_with('\\') => return self.command(start),
            TokenKind::Colon if self.variable(start) => {}
            _ => {
                self.extend(kind, start, end);
                self.refuse(kind, start);
            }
        }
        None
    }

    /// Goes on at this byte offset.
    fn skip_to(&mut self, offset: usize) {
        self.offset = offset;
        self.tokens = Box::new(tokenize(&self.text[offset..]));
    }

    fn line_end(&self, from: usize) -> usize {
        memchr::memchr(b'\n', &self.text.as_bytes()[from..]).map_or(self.text.len(), |newline| from + newline)
    }

    /// One of psql's commands, which has the rest of the line.
    fn command(&mut self, start: usize) -> Option<Statement<'a>> {
        let end = self.line_end(start);
        let line = self.text[start + 1..end].trim_end();
        self.psql.get_or_insert_with(|| place_of(self.text, start));
        // In the middle of a statement it is no part of that.
        if let Some(current) = &mut self.current {
            current.filled.push((start..end, String::new()));
        }
        let name = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
        match psql::read(line, &self.variables) {
            Ok(Command::PassedOver) => {
                if !self.passed_over.contains(&name) {
                    self.passed_over.push(name);
                }
            }
            Ok(Command::Set(variable, value)) => drop(self.variables.insert(variable, value)),
            Ok(Command::Unset(variable)) => drop(self.variables.remove(&variable)),
            Ok(Command::Go) if self.current.is_some() => {
                self.skip_to(end);
                return self.cut();
            }
            Ok(Command::CopyIn) if self.current.is_none() => {
                let mut at = start + 1;
                for token in tokenize(&self.text[start + 1..start + 1 + line.len()]) {
                    let before = at;
                    at += token.len as usize;
                    if !matches!(token.kind, TokenKind::Whitespace | TokenKind::LineComment | TokenKind::Semi | TokenKind::Eof) {
                        self.extend(token.kind, before, at);
                    }
                }
                self.skip_to(end);
                return self.cut();
            }
            Ok(Command::Go | Command::CopyIn) => {
                let message = format!("the psql command \\{name} stands where it cannot: end each statement with a semicolon");
                self.refuse_with(RefusalReason::MetaCommand, start, message);
            }
            Err(message) => self.refuse_with(RefusalReason::MetaCommand, start, message),
        }
        self.skip_to(end);
        None
    }

    /// Whether one of psql's variables stands here; then it is taken.
    fn variable(&mut self, start: usize) -> bool {
        if self.text[..start].ends_with(':') {
            return false;
        }
        let Some(reference) = psql::reference(&self.text[start..]) else { return false };
        let end = start + reference.length;
        let Some(value) = reference.fill(&self.variables) else {
            if let Some(message) = reference.missing() {
                self.extend(TokenKind::Colon, start, end);
                self.refuse_with(RefusalReason::Variable, start, message);
                self.skip_to(end);
                return true;
            }
            return false;
        };
        self.psql.get_or_insert_with(|| place_of(self.text, start));
        self.extend(TokenKind::Colon, start, end);
        match psql::stays_inside(&value) {
            true => {
                if let Some(current) = &mut self.current {
                    current.filled.push((start..end, value));
                }
            }
            false => {
                let message =
                    format!("the value of the psql variable {} is more than a part of a statement: write it out here", reference.name);
                self.refuse_with(RefusalReason::Variable, start, message);
            }
        }
        self.skip_to(end);
        true
    }

    /// The rows below a `COPY … FROM stdin`, up to a line `\.` or the end of the file, as psql reads them.
    fn data(&mut self) -> Data<'a> {
        let line_end = self.line_end(self.offset);
        let same_line = self.text[self.offset..line_end].trim();
        if !same_line.is_empty() && !same_line.starts_with("--") {
            let message = "after COPY … FROM stdin its rows begin on the next line: nothing else may follow on this one";
            let place = place_of(self.text, self.offset);
            self.refusals.push(Refusal { reason: RefusalReason::CopyFromStdin, place, number: self.number, message: message.to_owned() });
        }
        let start = (line_end + 1).min(self.text.len());
        let mut at = start;
        let end = loop {
            if at >= self.text.len() {
                break self.text.len();
            }
            let end = self.line_end(at);
            if self.text[at..end].strip_suffix('\r').unwrap_or(&self.text[at..end]) == "\\." {
                break at;
            }
            at = end + 1;
        };
        let line = self.places.at(start).line;
        self.skip_to(self.line_end(end));
        Data { text: &self.text[start..end], line }
    }

    fn extend(&mut self, kind: TokenKind, start: usize, end: usize) {
        let text = self.text;
        let token = &text[start..end];
        let place = match &self.current {
            None => self.places.at(start),
            Some(current) => current.place,
        };
        let current = self.current.get_or_insert_with(|| Current {
            start,
            end,
            place,
            words: Words::default(),
            parens: 0,
            body: 0,
            refused: false,
            filled: Vec::new(),
        });
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
        let what = match kind {
            TokenKind::BlockComment { terminated: false } => "comment",
            TokenKind::QuotedIdent { terminated: false, .. } => "quoted identifier",
            TokenKind::Literal { kind } => match kind {
                LiteralKind::DollarQuotedString { terminated: false } => "dollar-quoted string",
                LiteralKind::Str { terminated: false }
                | LiteralKind::NationalStr { terminated: false }
                | LiteralKind::ByteStr { terminated: false }
                | LiteralKind::BitStr { terminated: false }
                | LiteralKind::UnicodeEscStr { terminated: false }
                | LiteralKind::EscStr { terminated: false } => "string",
                _ => return,
            },
            _ => return,
        };
        self.refuse_with(RefusalReason::Unterminated(what), start, format!("the {what} that begins here has no end"));
    }

    /// Once a statement: the first reason is enough.
    fn refuse_with(&mut self, reason: RefusalReason, start: usize, message: String) {
        let known = self.current.as_mut().is_some_and(|current| std::mem::replace(&mut current.refused, true));
        if !known {
            self.refusals.push(Refusal { reason, place: place_of(self.text, start), number: self.number + 1, message });
        }
    }

    fn cut(&mut self) -> Option<Statement<'a>> {
        let current = self.current.take()?;
        self.number += 1;
        let number = self.number;
        let kind = kind_of(&current.words);
        let data = (kind == StatementKind::CopyFromStdin).then(|| {
            self.psql.get_or_insert(current.place);
            self.data()
        });
        if !current.refused && kind == StatementKind::TransactionControl {
            let message = format!(
                "{} inside a migration: each file runs in one transaction of ledger's, which this would end; remove it",
                current.words.first()
            );
            self.refusals.push(Refusal { reason: RefusalReason::TransactionControl, place: current.place, number, message });
        }
        let filled = current
            .filled
            .into_iter()
            .filter(|(range, _)| range.end <= current.end)
            .map(|(range, value)| (range.start - current.start..range.end - current.start, value));
        Some(Statement {
            number,
            text: &self.text[current.start..current.end],
            start: current.start,
            place: current.place,
            what: current.words.what(),
            kind,
            data,
            filled: filled.collect(),
        })
    }
}
