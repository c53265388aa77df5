//! What a statement is, from its first words, and how it is described without its literals.

use squawk_lexer::TokenKind;

/// How a statement must be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// Runs in a transaction with others.
    Plain,
    /// PostgreSQL refuses it inside a transaction block.
    Alone,
    /// The same, and it waits for other transactions: it needs a longer timeout.
    Concurrently,
    /// Begins or ends a transaction.
    TransactionControl,
    /// Reads data that stands in the file.
    CopyFromStdin,
}

/// How many words of a statement are kept.
const KEPT: usize = 24;

/// How many words of a statement are shown.
const SHOWN: usize = 9;

/// Where a description ends: what follows are expressions and values.
const STOPS: [&str; 14] =
    ["set", "values", "as", "where", "using", "returning", "select", "from", "execute", "is", "check", "default", "with", "do"];

/// The first words of a statement, those in parentheses apart.
#[derive(Debug, Default)]
pub struct Words<'a> {
    words: Vec<&'a str>,
    /// How many of them stand before the first token that is neither a name nor a keyword nor a dot.
    before_values: Option<usize>,
}

impl<'a> Words<'a> {
    pub fn take(&mut self, kind: TokenKind, token: &'a str) {
        match kind {
            TokenKind::Ident | TokenKind::QuotedIdent { .. } | TokenKind::Dot if self.words.len() < KEPT => self.words.push(token),
            TokenKind::Ident | TokenKind::QuotedIdent { .. } | TokenKind::Dot => {}
            TokenKind::CloseParen => {}
            _ if self.before_values.is_none() => self.before_values = Some(self.words.len()),
            _ => {}
        }
    }

    fn is(&self, index: usize, word: &str) -> bool {
        self.words.get(index).is_some_and(|w| w.eq_ignore_ascii_case(word))
    }

    fn is_any(&self, index: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(index, word))
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w.eq_ignore_ascii_case(word))
    }

    /// `CREATE [OR REPLACE] FUNCTION | PROCEDURE`: its body may hold semicolons.
    pub fn defines_a_routine(&self) -> bool {
        let at = if self.is(1, "or") && self.is(2, "replace") { 3 } else { 1 };
        self.is(0, "create") && self.is_any(at, &["function", "procedure"])
    }

    /// The first word, upper case.
    pub fn first(&self) -> String {
        self.words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default()
    }

    /// Keywords and object, for people: never a literal.
    pub fn what(&self) -> String {
        let mut out = String::new();
        let mut glued = false;
        let known = self.words.len().min(self.before_values.unwrap_or(usize::MAX));
        let mut shown = 0;
        for (index, word) in self.words[..known].iter().enumerate() {
            if *word == "." {
                out.push('.');
                glued = true;
                continue;
            }
            let stops = index > 0 && !glued && STOPS.iter().any(|stop| word.eq_ignore_ascii_case(stop));
            if shown == SHOWN && !glued || stops {
                break;
            }
            if !out.is_empty() && !glued {
                out.push(' ');
            }
            glued = false;
            shown += 1;
            match is_keyword(word) {
                true => out.push_str(&word.to_ascii_uppercase()),
                false => out.push_str(word),
            }
        }
        out
    }
}

/// Keywords that descriptions meet; anything else is a name and keeps its spelling.
fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 86] = [
        "ADD",
        "ALTER",
        "ALL",
        "ANALYZE",
        "BEGIN",
        "BY",
        "CALL",
        "CASCADE",
        "CLUSTER",
        "COLUMN",
        "COMMENT",
        "COMMIT",
        "CONCURRENTLY",
        "CONSTRAINT",
        "COPY",
        "CREATE",
        "DATABASE",
        "DEFAULT",
        "DELETE",
        "DISABLE",
        "DO",
        "DOMAIN",
        "DROP",
        "ENABLE",
        "END",
        "EVENT",
        "EXISTS",
        "EXTENSION",
        "FORCE",
        "FOREIGN",
        "FOR",
        "FROM",
        "FUNCTION",
        "GRANT",
        "IF",
        "INDEX",
        "INSERT",
        "INTO",
        "KEY",
        "LEVEL",
        "LOCK",
        "MATERIALIZED",
        "MERGE",
        "NO",
        "NOT",
        "NULL",
        "OF",
        "ON",
        "OR",
        "OWNER",
        "PARTITION",
        "PASSWORD",
        "POLICY",
        "PRIMARY",
        "PRIVILEGES",
        "PROCEDURE",
        "REFRESH",
        "REINDEX",
        "RENAME",
        "REPLACE",
        "RESET",
        "REVOKE",
        "ROLE",
        "ROLLBACK",
        "ROW",
        "RULE",
        "SCHEMA",
        "SECURITY",
        "SELECT",
        "SEQUENCE",
        "SET",
        "START",
        "SYSTEM",
        "TABLE",
        "TO",
        "TRANSACTION",
        "TRIGGER",
        "TRUNCATE",
        "TYPE",
        "UNIQUE",
        "UPDATE",
        "USER",
        "VACUUM",
        "VALIDATE",
        "VIEW",
        "WITH",
    ];
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// What the first words make of a statement
/// (PostgreSQL manual, the "cannot be executed inside a transaction block" notes of each command).
pub fn kind_of(words: &Words<'_>) -> StatementKind {
    let first = words.first();
    match first.as_str() {
        "BEGIN" | "COMMIT" | "END" | "ABORT" => StatementKind::TransactionControl,
        "START" if words.is(1, "transaction") => StatementKind::TransactionControl,
        "PREPARE" if words.is(1, "transaction") => StatementKind::TransactionControl,
        "ROLLBACK" => {
            let at = if words.is_any(1, &["work", "transaction"]) { 2 } else { 1 };
            if words.is(at, "to") { StatementKind::Plain } else { StatementKind::TransactionControl }
        }
        "COPY" => {
            let from = words.words.iter().position(|word| word.eq_ignore_ascii_case("from"));
            match from {
                Some(at) if words.is(at + 1, "stdin") => StatementKind::CopyFromStdin,
                _ => StatementKind::Plain,
            }
        }
        "CREATE" | "DROP" => {
            let at = if words.is(1, "unique") { 2 } else { 1 };
            match () {
                () if words.is(at, "index") && words.is(at + 1, "concurrently") => StatementKind::Concurrently,
                () if words.is_any(1, &["database", "tablespace", "subscription"]) => StatementKind::Alone,
                () => StatementKind::Plain,
            }
        }
        "REINDEX" if words.is(2, "concurrently") => StatementKind::Concurrently,
        "REINDEX" if words.is_any(1, &["schema", "database", "system"]) => StatementKind::Alone,
        "ALTER"
            if words.is(1, "table")
                && words.has("detach")
                && words.words.last().is_some_and(|w| w.eq_ignore_ascii_case("concurrently")) =>
        {
            StatementKind::Concurrently
        }
        "ALTER" if words.is(1, "system") => StatementKind::Alone,
        "ALTER" if words.is(1, "database") && words.has("tablespace") => StatementKind::Alone,
        "VACUUM" => StatementKind::Alone,
        "CLUSTER" if words.words.len() == 1 => StatementKind::Alone,
        "DISCARD" if words.is(1, "all") => StatementKind::Alone,
        _ => StatementKind::Plain,
    }
}
