//! Liquibase formatted SQL: files that begin with `--liquibase formatted sql`, change sets that begin with `--changeset author:id …`.
//!
//! Files run in the order of their paths, as `includeAll` takes them; change sets in the order of their files. A change set is known by
//! id, author and path. `--rollback` lines, or a block, are its way down. What Liquibase decides when it runs (preconditions, contexts,
//! properties, change sets that run again) is not decided here: such change sets are findings. XML, YAML and JSON change logs are not
//! SQL: `liquibase update-sql` writes them as SQL. (Liquibase, "SQL format"; `FormattedSqlChangeLogParser`.)

use std::ops::Range;
use std::path::Path;

use super::{Key, Layout, LayoutError, Migration, MigrationSet, Oddity, Script, walk};

/// Reads the change logs of a folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Liquibase, dir);
    for file in walk::tree(dir)? {
        let other = [".xml", ".yaml", ".yml", ".json"].into_iter().any(|extension| walk::without(&file, extension).is_some());
        let sql = walk::without(&file, ".sql").is_some();
        if !other && !sql {
            continue;
        }
        let bytes = walk::bytes(dir, &file)?;
        if other {
            let text = String::from_utf8_lossy(&bytes);
            if text.contains("databaseChangeLog") {
                set.files += 1;
                let message = "is a change log in XML, YAML or JSON, which only Liquibase can read: write it as SQL with `liquibase \
                               update-sql`, or run Liquibase instead (layout = \"command\"). Files that it includes are read here in the \
                               order of their paths";
                set.oddities.push(Oddity::not_importable(file, message));
            }
            continue;
        }
        set.files += 1;
        if !speaks(&bytes) {
            let message = "does not begin with `--liquibase formatted sql`, so it is no change log".into();
            set.oddities.push(Oddity { kind: super::OddityKind::Unnumbered, subject: file, message });
            continue;
        }
        change_sets(&file, &bytes, &mut set);
    }
    for (place, migration) in set.migrations.iter_mut().enumerate() {
        migration.version = (place + 1).to_string();
    }
    Ok(set)
}

/// Whether a file is a formatted SQL change log.
pub fn speaks(bytes: &[u8]) -> bool {
    let first = walk::lines(bytes).find(|line| !line.text.trim().is_empty());
    first
        .and_then(|line| directive(line.text).map(|text| text.to_ascii_lowercase()))
        .is_some_and(|text| text.strip_prefix("liquibase").is_some_and(|rest| rest.trim_start().starts_with("formatted")))
}

/// The text of a line comment.
fn directive(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("--").map(str::trim_start)
}

/// `word rest` of a directive of this word, in any letters.
fn said<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    (head.eq_ignore_ascii_case(word) && rest.starts_with([' ', '\t', ':'])).then(|| rest.trim_start())
}

struct Open {
    line: u64,
    id: String,
    author: String,
    attributes: String,
    body: Vec<Range<usize>>,
    rollback: Vec<Range<usize>>,
    /// A rollback that says that there is none, or elsewhere.
    no_rollback: bool,
    refused: Option<(u64, String)>,
}

fn change_sets(file: &str, bytes: &[u8], set: &mut MigrationSet) {
    let mut open: Option<Open> = None;
    let mut in_block = false;
    let mut properties = false;
    for line in walk::lines(bytes) {
        let refuse = |open: &mut Option<Open>, message: &str| {
            if let Some(open) = open {
                open.refused.get_or_insert((line.number, message.to_owned()));
            }
        };
        if in_block {
            match (line.text.find("*/"), &mut open) {
                (Some(at), Some(open)) => {
                    open.rollback.push(line.range.start..line.range.start + at);
                    in_block = false;
                }
                (None, Some(open)) => open.rollback.push(line.range.clone()),
                _ => in_block = line.text.find("*/").is_none(),
            }
            continue;
        }
        let block = line.text.trim_start().strip_prefix("/*").map(|text| text.trim_start().to_ascii_lowercase());
        if let Some(rest) = block.as_deref().and_then(|text| text.strip_prefix("liquibase")).map(str::trim_start)
            && rest.starts_with("rollback")
        {
            in_block = true;
            continue;
        }
        let Some(text) = directive(line.text) else {
            if let Some(open) = &mut open {
                open.body.push(line.range.clone());
                if properties && line.text.contains("${") {
                    open.refused.get_or_insert((line.number, "Liquibase replaces a property in this line: write its value".into()));
                }
            } else if !line.text.trim().is_empty() {
                let message = "SQL before the first `--changeset`, which Liquibase refuses: move it below";
                set.oddities.push(Oddity::not_importable(format!("{file}:{}", line.number), message));
            }
            continue;
        };
        if let Some(rest) = said(text, "changeset") {
            finish(file, bytes, open.take(), set);
            match identity(rest) {
                Some((author, id, attributes)) => {
                    open = Some(Open {
                        line: line.number,
                        id,
                        author,
                        refused: decided_by_liquibase(&attributes).map(|why| (line.number, why)),
                        attributes,
                        body: Vec::new(),
                        rollback: Vec::new(),
                        no_rollback: false,
                    });
                }
                None => {
                    let message = "not `--changeset author:id`, as Liquibase requires";
                    set.oddities.push(Oddity::not_importable(format!("{file}:{}", line.number), message));
                }
            }
        } else if let Some(rest) = said(text, "rollback").filter(|_| !text[8..].trim_start().starts_with(':')) {
            if let Some(open) = &mut open {
                let lower = rest.to_ascii_lowercase();
                if lower.starts_with("not required") || lower.starts_with("empty") || lower.starts_with("changesetid") {
                    open.no_rollback = true;
                } else {
                    let at = line.range.start + line.text.len() - rest.len()
                        + (bytes[line.range.clone()].starts_with(b"\xef\xbb\xbf") as usize) * 3;
                    open.rollback.push(at..line.range.end);
                }
            }
        } else if said(text, "rollback").is_some() {
            let message = "`--rollback:` with a colon is another tool's; Liquibase takes it for a comment, and so does ledger".into();
            set.oddities.push(Oddity { kind: super::OddityKind::Unmatched, subject: format!("{file}:{}", line.number), message });
        } else if said(text, "preconditions").is_some() || said(text, "precondition-sql-check").is_some() {
            refuse(
                &mut open,
                "Liquibase asks a precondition before it runs this change set, which ledger does not: take it out, or run Liquibase instead (layout = \"command\")",
            );
        } else if said(text, "property").is_some() {
            properties = true;
        } else if said(text, "ignoreLines").is_some() {
            refuse(&mut open, "Liquibase leaves out the lines that `--ignoreLines` names, which ledger does not: take them out");
        }
    }
    finish(file, bytes, open, set);
}

/// `author:id attributes`; each of the two may be quoted.
fn identity(rest: &str) -> Option<(String, String, String)> {
    let (author, rest) = match rest.strip_prefix('"') {
        Some(quoted) => {
            let (author, rest) = quoted.split_once('"')?;
            (author, rest.trim_start().strip_prefix(':')?)
        }
        None => rest.split_once(':')?,
    };
    let rest = rest.trim_start();
    let (id, attributes) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
    };
    (!author.trim().is_empty() && !id.is_empty()).then(|| (author.trim().to_owned(), id.to_owned(), attributes.trim().to_owned()))
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    loop {
        let at = from + attributes[from..].to_ascii_lowercase().find(&format!("{}:", name.to_ascii_lowercase()))?;
        if at == 0 || attributes[..at].ends_with(char::is_whitespace) {
            let value = attributes[at + name.len() + 1..].trim_start();
            return Some(match value.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or_default(),
                None => value.split_whitespace().next().unwrap_or_default(),
            });
        }
        from = at + 1;
    }
}

/// What Liquibase decides when it runs, and a reader cannot.
fn decided_by_liquibase(attributes: &str) -> Option<String> {
    let yes = |name: &str| attribute(attributes, name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    for name in ["runAlways", "runOnChange"] {
        if yes(name) {
            return Some(format!(
                "{name}:true makes Liquibase run this change set again, which ledger does not: run Liquibase instead (layout = \"command\")"
            ));
        }
    }
    for name in ["context", "contextFilter", "labels"] {
        if let Some(value) = attribute(attributes, name).filter(|value| !value.is_empty()) {
            return Some(format!(
                "{name}:{value} makes this change set depend on how Liquibase is called: take it out, or run Liquibase instead (layout = \"command\")"
            ));
        }
    }
    if let Some(delimiter) = attribute(attributes, "endDelimiter").filter(|delimiter| *delimiter != ";") {
        return Some(format!(
            "endDelimiter:{delimiter} ends statements otherwise than by a semicolon: write semicolons and splitStatements:false"
        ));
    }
    if attribute(attributes, "failOnError").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        return Some("failOnError:false lets Liquibase go on after an error, which ledger does not".into());
    }
    if attribute(attributes, "runWith").is_some_and(|value| !value.eq_ignore_ascii_case("jdbc")) {
        return Some("runWith makes Liquibase run another program: run Liquibase instead (layout = \"command\")".into());
    }
    None
}

fn finish(file: &str, bytes: &[u8], open: Option<Open>, set: &mut MigrationSet) {
    let Some(open) = open else { return };
    let Open { id, author, attributes, .. } = &open;
    let elsewhere = attribute(attributes, "dbms").is_some_and(|dbms| {
        let names: Vec<&str> = dbms.split(',').map(str::trim).collect();
        let named = names.iter().any(|name| name.eq_ignore_ascii_case("postgresql") || name.eq_ignore_ascii_case("all"));
        let not = names.iter().any(|name| name.eq_ignore_ascii_case("!postgresql"));
        not || (!named && names.iter().any(|name| !name.starts_with('!')))
    });
    let ignored = attribute(attributes, "ignore").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if elsewhere || ignored {
        return;
    }
    if let Some((line, message)) = &open.refused {
        set.oddities.push(Oddity::not_importable(format!("{file}:{line}"), message));
    }
    let path = attribute(attributes, "logicalFilePath").unwrap_or(file).to_owned();
    let key = Key::ChangeSet { id: id.clone(), author: author.clone(), file: path };
    if let Some(taken) = set.migrations.iter().find(|m| m.key == key) {
        let message =
            format!("{author}:{id} is also the name of the change set before it in {}: Liquibase refuses the file", taken.up.file);
        set.oddities.push(Oddity::not_importable(format!("{file}:{}", open.line), message));
    }
    let wrapped = !attribute(attributes, "runInTransaction").is_some_and(|value| value.eq_ignore_ascii_case("false"));
    let up = Script::parts(file, bytes, open.body.iter().cloned()).wrapped(wrapped);
    let mut migration = Migration::new(Layout::Liquibase, "", format!("{author}:{id}"), up);
    if !open.no_rollback && !open.rollback.is_empty() {
        migration.down = Some(Script::parts(file, bytes, open.rollback.iter().cloned()).wrapped(wrapped));
    }
    set.migrations.push(Migration { key, ..migration });
}
