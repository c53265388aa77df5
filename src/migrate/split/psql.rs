//! What a script says to psql and not to the server: commands that begin with a backslash, and variables.
//!
//! Scripts written for psql, and everything that pg_dump writes, hold some. What changes nothing in the database is passed over; variables are
//! set and filled in as psql does it; what needs psql itself (another file, another connection, a shell) is refused with the way out
//! (PostgreSQL manual, psql, "Meta-Commands", "Variables", "SQL Interpolation"; `psqlscan.l`, `psqlscanslash.l`).

use std::collections::BTreeMap;

use squawk_lexer::{TokenKind, tokenize};

/// The variables that a script has set so far.
pub type Variables = BTreeMap<String, String>;

/// One command of psql's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Shows something, or says how; nothing of the database depends on it.
    PassedOver,
    Set(String, String),
    Unset(String),
    /// `\g`: sends the statement in hand, as a semicolon does.
    Go,
    /// `\copy … from stdin`: COPY, with the rows below it.
    CopyIn,
}

/// Commands that only show something or change how it is shown.
const PASSED_OVER: [&str; 31] = [
    "?",
    "a",
    "C",
    "conninfo",
    "copyright",
    "echo",
    "encoding",
    "errverbose",
    "f",
    "h",
    "help",
    "html",
    "H",
    "l",
    "list",
    "o",
    "out",
    "p",
    "print",
    "pset",
    "qecho",
    "restrict",
    "sf",
    "sv",
    "t",
    "T",
    "timing",
    "unrestrict",
    "warn",
    "x",
    "z",
];

/// What is refused, and the way out.
const REFUSED: [(&[&str], &str); 12] = [
    (&["i", "ir", "include", "include_relative"], "reads another file: put its text here, or make it a migration of its own"),
    (
        &["copy"],
        "moves rows between the database and a file beside psql: write COPY … FROM stdin with the rows below it, or load them with psql and record it",
    ),
    (
        &["c", "connect"],
        "goes to another database: ledger runs each file in the one it is told; remove it (pg_dump without --create writes none)",
    ),
    (&["if", "elif", "else", "endif"], "decides by what psql knows: write the condition into a DO block"),
    (&["gset"], "keeps a result for later: write the query where its result is needed, or a DO block"),
    (&["gexec"], "runs what a query gives: write EXECUTE pg_catalog.format(…) in a DO block"),
    (&["!", "setenv", "getenv", "cd"], "acts on the machine on which psql runs: do that outside of the migration"),
    (&["password", "prompt"], "asks a person: a migration must run without one"),
    (&["lo_import", "lo_export", "lo_unlink"], "moves a large object: call pg_catalog.lo_from_bytea and its like in SQL"),
    (&["q", "quit"], "ends the script here: remove it, and what stands below it"),
    (&[";"], "sends two statements as one message: separate them by a semicolon alone"),
    (&["watch"], "repeats a statement until somebody stops it: write it once"),
];

/// Variables that psql itself fills.
const OF_PSQL: [&str; 15] = [
    "DBNAME",
    "USER",
    "HOST",
    "PORT",
    "ENCODING",
    "VERSION",
    "VERSION_NAME",
    "VERSION_NUM",
    "SERVER_VERSION_NAME",
    "SERVER_VERSION_NUM",
    "ROW_COUNT",
    "LASTOID",
    "ERROR",
    "SQLSTATE",
    "LAST_ERROR_MESSAGE",
];

/// Settings of psql's that decide what is run, and the value that they must have here.
const DECIDING: [(&str, bool, &str); 4] = [
    ("ON_ERROR_STOP", true, "psql would go on after an error, and ledger stops at the first: remove it"),
    ("ON_ERROR_ROLLBACK", false, "psql would go on after an error, and ledger stops at the first: remove it"),
    (
        "AUTOCOMMIT",
        true,
        "psql would leave the end of the transaction to the script, and ledger runs each file in one of its own: remove it",
    ),
    ("SINGLELINE", false, "line breaks would end statements: remove it"),
];

/// Reads the command at the beginning of `line` (after the backslash, to the end of the line). `Err`: why it is refused.
pub fn read(line: &str, variables: &Variables) -> Result<Command, String> {
    let symbol = line.chars().next().filter(|first| matches!(first, '!' | '?' | ';'));
    let name = match symbol {
        Some(symbol) => &line[..symbol.len_utf8()],
        None => &line[..line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len())],
    };
    let rest = &line[name.len()..];
    let refused = |why: &str| Err(format!("the psql command \\{} {why}", name.chars().take(20).collect::<String>()));
    let copies_in = || {
        let lower = rest.to_ascii_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        words.windows(2).any(|pair| pair == ["from", "stdin"])
    };
    match name {
        "set" | "unset" => settings(name, rest, variables),
        "g" | "gx" if rest.trim().is_empty() => Ok(Command::Go),
        "g" | "gx" => refused("sends a result somewhere else than to the terminal: end the statement with a semicolon"),
        "copy" if copies_in() => Ok(Command::CopyIn),
        "encoding" if !matches!(rest.trim().to_ascii_lowercase().trim_matches('\''), "" | "utf8" | "utf-8" | "unicode") => {
            refused("declares an encoding: save the file as UTF-8 and remove it")
        }
        _ if PASSED_OVER.contains(&name) || describes(name) => passed_over(name, rest),
        _ => match REFUSED.iter().find(|(names, _)| names.contains(&name)) {
            Some((_, why)) => refused(why),
            None => refused("is not SQL; write what it does as SQL, or run this file with psql and record it"),
        },
    }
}

/// `\d`, `\dt+`, `\dRp`: they describe. (`\drop` is no command of psql's.)
fn describes(name: &str) -> bool {
    name.strip_prefix('d').is_some_and(|rest| rest.len() <= 3)
}

fn passed_over(name: &str, rest: &str) -> Result<Command, String> {
    if rest.contains('`') || matches!(name, "o" | "out") && rest.trim_start().starts_with('|') {
        return Err(format!("the psql command \\{name} runs a program here: do that outside of the migration"));
    }
    match unquoted_backslash(rest) {
        true => Err(format!("the psql command \\{name} is followed by another on its line: give each a line of its own")),
        false => Ok(Command::PassedOver),
    }
}

/// Whether another command begins in what follows a command.
fn unquoted_backslash(rest: &str) -> bool {
    let mut quote = None;
    for character in rest.chars() {
        match (quote, character) {
            (None, '\\') => return true,
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), character) if open == character => quote = None,
            _ => {}
        }
    }
    false
}

fn settings(name: &str, rest: &str, variables: &Variables) -> Result<Command, String> {
    let said = format!("\\{name}{}", rest.trim_end());
    let arguments = arguments(rest, variables).map_err(|why| format!("the psql command {said} {why}"))?;
    let Some((variable, values)) = arguments.split_first() else { return Ok(Command::PassedOver) };
    let value = values.concat();
    if let Some((_, must, why)) = DECIDING.iter().find(|(deciding, _, _)| deciding == variable) {
        let on = name == "set" && !matches!(value.to_ascii_lowercase().as_str(), "off" | "false" | "no" | "0" | "interactive");
        return match on == *must {
            true => Ok(Command::PassedOver),
            false => Err(format!("by the psql command \\{name} {variable} {why}")),
        };
    }
    Ok(match name {
        "unset" => Command::Unset(variable.clone()),
        _ => Command::Set(variable.clone(), value),
    })
}

/// A command's arguments, as psql reads them: words, `'quoted'` with escapes, variables filled in.
fn arguments(rest: &str, variables: &Variables) -> Result<Vec<String>, &'static str> {
    let mut found = Vec::new();
    let mut current: Option<String> = None;
    let mut left = rest;
    while let Some(first) = left.chars().next() {
        let next = &left[first.len_utf8()..];
        left = match first {
            _ if first.is_whitespace() => {
                found.extend(current.take());
                next
            }
            '\\' => return Err("is followed by another on its line: give each a line of its own"),
            '`' => return Err("runs a program: do that outside of the migration"),
            '\'' => {
                let (text, after) = quoted(next).ok_or("has a quote without an end")?;
                current.get_or_insert_default().push_str(&text);
                after
            }
            // Double quotes stay where they are.
            '"' => {
                let end = next.find('"').ok_or("has a quote without an end")?;
                current.get_or_insert_default().push_str(&left[..end + 2]);
                &next[end + 1..]
            }
            ':' => match reference(left).and_then(|reference| Some((reference.fill(variables)?, reference.length))) {
                Some((value, length)) => {
                    current.get_or_insert_default().push_str(&value);
                    &left[length..]
                }
                None => {
                    current.get_or_insert_default().push(first);
                    next
                }
            },
            _ => {
                current.get_or_insert_default().push(first);
                next
            }
        };
    }
    found.extend(current);
    Ok(found)
}

/// What stands in single quotes, and what follows them.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                characters.next();
                out.push('\'');
            }
            '\'' => return Some((out, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'b' => out.push('\u{8}'),
                'r' => out.push('\r'),
                'f' => out.push('\u{c}'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}

/// `:name`, `:'name'`, `:"name"` or `:{?name}`, at the beginning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    pub name: &'a str,
    /// `'`, `"`, `?`, or a blank for none.
    form: char,
    /// Bytes, with the colon.
    pub length: usize,
}

/// Reads a reference to a variable; whether there is such a variable is another question.
pub fn reference(text: &str) -> Option<Reference<'_>> {
    let rest = text.strip_prefix(':')?;
    let (form, open, close) = match rest.chars().next()? {
        '\'' => ('\'', 1, "'"),
        '"' => ('"', 1, "\""),
        '{' if rest[1..].starts_with('?') => ('?', 2, "}"),
        _ => (' ', 0, ""),
    };
    let inner = &rest[open..];
    let length = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii())).unwrap_or(inner.len());
    let name = &inner[..length];
    let whole = !name.is_empty() && inner[length..].starts_with(close);
    whole.then_some(Reference { name, form, length: 1 + open + length + close.len() })
}

impl Reference<'_> {
    /// What psql would put in its place; `None`: the variable is not set, and psql leaves the text as it is.
    pub fn fill(&self, variables: &Variables) -> Option<String> {
        let value = variables.get(self.name);
        Some(match self.form {
            '?' => if value.is_some() { "TRUE" } else { "FALSE" }.to_owned(),
            '\'' => crate::migrate::history::literal(value?),
            '"' => format!("\"{}\"", value?.replace('"', "\"\"")),
            _ => value?.clone(),
        })
    }

    /// Why a reference that is not set here cannot be meant for the server; `None`: it can (a slice of an array, a cast).
    pub fn missing(&self) -> Option<String> {
        let named = self.name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let for_psql = named && self.form != ' ' || OF_PSQL.contains(&self.name);
        for_psql.then(|| {
            let name = self.name;
            format!("the psql variable {name} is not set in this file: `\\set {name} …` above, or write its value here")
        })
    }
}

/// Whether a value can stand inside a statement: it must not end it, nor begin a command or a quote that it does not end.
pub fn stays_inside(value: &str) -> bool {
    let mut depth = 0_i32;
    let mut rest = 0;
    for token in tokenize(value) {
        let text = &value[rest..rest + token.len as usize];
        rest += token.len as usize;
        match token.kind {
            TokenKind::Semi => return false,
            TokenKind::Unknown if text.starts_with('\\') => return false,
            TokenKind::OpenParen => depth += 1,
            TokenKind::CloseParen => depth -= 1,
            TokenKind::LineComment | TokenKind::BlockComment { .. } => return false,
            TokenKind::QuotedIdent { terminated: false, .. } => return false,
            TokenKind::Literal { .. } if text.starts_with(['\'', '$']) && (text.len() < 2 || !text.ends_with(['\'', '$'])) => return false,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_changes_nothing_is_passed_over_and_the_rest_says_why_not() {
        let none = Variables::new();
        for line in [
            "echo 'all; of it'",
            "restrict abcDEF0123",
            "unrestrict abcDEF0123",
            "set ON_ERROR_STOP on",
            "set ON_ERROR_STOP",
            "set QUIET 1",
            "pset pager off",
            "timing on",
            "dt+ public.*",
            "encoding 'UTF8'",
            "o /dev/null",
            "set AUTOCOMMIT on",
            "set ON_ERROR_ROLLBACK interactive",
        ] {
            assert!(matches!(read(line, &none), Ok(Command::PassedOver | Command::Set(..))), "{line}: {:?}", read(line, &none));
        }
        for (line, says) in [
            ("i other.sql", "\\i reads another file: put its text here"),
            ("ir ../other.sql", "\\ir reads another file"),
            ("copy t from 'rows.csv'", "\\copy moves rows between the database and a file beside psql"),
            ("connect other", "\\connect goes to another database"),
            ("if :x", "\\if decides by what psql knows"),
            ("gexec", "\\gexec runs what a query gives"),
            ("! rm -rf x", "\\! acts on the machine"),
            ("set ON_ERROR_STOP off", "\\set ON_ERROR_STOP psql would go on after an error"),
            ("unset ON_ERROR_STOP", "psql would go on after an error"),
            ("set AUTOCOMMIT off", "the end of the transaction"),
            ("echo `date`", "\\echo runs a program here"),
            ("echo a \\\\ drop table t;", "\\echo is followed by another on its line"),
            ("set x `whoami`", "runs a program"),
            ("encoding latin1", "save the file as UTF-8"),
            ("g rows.txt", "somewhere else than to the terminal"),
            ("gadget", "the psql command \\gadget is not SQL"),
            ("q", "\\q ends the script here"),
        ] {
            let refused = read(line, &none).unwrap_err();
            assert!(refused.contains(says), "{line}: {refused}");
        }
        assert_eq!(read("copy t (a, b) FROM stdin csv", &none), Ok(Command::CopyIn));
        assert_eq!(read("g", &none), Ok(Command::Go));
    }

    #[test]
    fn variables_are_set_and_filled_in_as_psql_does_it() {
        let none = Variables::new();
        let set = |line: &str, known: &Variables| match read(line, known) {
            Ok(Command::Set(name, value)) => (name, value),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(set("set schema app", &none), ("schema".into(), "app".into()));
        assert_eq!(set("set greeting 'it''s\\tme' and you", &none), ("greeting".into(), "it's\tmeandyou".into()));
        assert_eq!(set("set table :schema.t", &variables(&[("schema", "app")])), ("table".into(), "app.t".into()));
        assert_eq!(set("set x \"A b\"", &none), ("x".into(), "\"A b\"".into()));
        let known = variables(&[("name", "O'Neil"), ("t", "A \"b\"")]);
        let fill = |text: &str| reference(text).unwrap().fill(&known);
        assert_eq!(fill(":name, 1").as_deref(), Some("O'Neil"));
        assert_eq!(fill(":'name')").as_deref(), Some("'O''Neil'"));
        assert_eq!(fill(":\"t\".x").as_deref(), Some("\"A \"\"b\"\"\""));
        assert_eq!((fill(":{?name}").as_deref(), fill(":{?nothing}").as_deref()), (Some("TRUE"), Some("FALSE")));
        assert_eq!(fill(":nothing"), None);
        assert_eq!(reference("::int"), None);
        assert_eq!(reference(":= 1"), None);
        assert_eq!(reference(":2]").unwrap().missing(), None);
        assert!(reference(":'nothing'").unwrap().missing().unwrap().contains("the psql variable nothing is not set"));
        assert!(reference(":DBNAME").unwrap().missing().is_some());
        for (value, inside) in
            [("app.t", true), ("42, 'a'", true), ("f(1)", true), ("1; drop table t", false), ("')", false), ("a)", false)]
        {
            assert_eq!(stays_inside(value), inside, "{value}");
        }
    }
}
