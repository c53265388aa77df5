//! goose: `<digits>_<name>.sql` with `-- +goose` annotations; `.go` files are code and cannot be imported.
//!
//! Annotations stand in column 0: Up, Down, StatementBegin, StatementEnd, NO TRANSACTION (for the whole file), ENVSUB ON, ENVSUB OFF.
//! goose ends a statement at a line that ends with a semicolon; this reader finds the sections, refuses what goose refuses, and leaves
//! the cutting to the SQL splitter, which agrees with goose on every file that goose cuts rightly.
//! (goose, `internal/sqlparser/parser.go`, `migrate.go`.)

use std::path::Path;

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, Script, compare, walk};

/// Reads a goose folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Goose, dir);
    for file in walk::files(dir)? {
        let go = file.ends_with(".go") && !file.ends_with("_test.go");
        if !file.ends_with(".sql") && !go {
            continue;
        }
        let version = file.split_once('_').map(|(version, _)| version).filter(|v| v.parse::<i64>().is_ok_and(|n| n > 0));
        let Some(version) = version else {
            if !go {
                set.files += 1;
                let message = "is not <number>_name.sql with a number above zero: goose stops at it; rename it".to_owned();
                set.oddities.push(Oddity::not_importable(file.as_str(), message));
            }
            continue;
        };
        set.files += 1;
        if go {
            let message = "is a migration written in Go, which only the team's own program can run: run the program itself \
                           (layout = \"command\"), or write the migration in SQL";
            set.oddities.push(Oddity::not_importable(file.as_str(), message));
            continue;
        }
        let bytes = walk::bytes(dir, &file)?;
        match sections(&bytes) {
            Err((line, message)) => set.oddities.push(Oddity::not_importable(format!("{file}:{line}"), message)),
            Ok(sections) => {
                let name = file[version.len() + 1..].trim_end_matches(".sql");
                let part = |range| Script::part(&*file, &bytes, range).wrapped(sections.transaction);
                let mut migration = Migration::new(Layout::Goose, version, name, part(sections.up.clone()));
                migration.down = sections.down.clone().map(part);
                set.migrations.push(migration);
            }
        }
    }
    set.migrations.sort_by(|a, b| compare(&a.version, &b.version).then_with(|| a.up.file.cmp(&b.up.file)));
    Ok(set)
}

struct Sections {
    up: std::ops::Range<usize>,
    down: Option<std::ops::Range<usize>>,
    transaction: bool,
}

fn sections(bytes: &[u8]) -> Result<Sections, (u64, String)> {
    let mut up: Option<usize> = None;
    let mut down: Option<usize> = None;
    let (mut transaction, mut envsub, mut inside) = (true, false, None);
    // The last line with SQL in it, outside of StatementBegin and End, and whether it ends a statement.
    let mut open: Option<u64> = None;
    for line in walk::lines(bytes) {
        let fail = |message: &str| Err((line.number, message.to_owned()));
        if let Some(annotation) = annotation(line.text) {
            if line.text.starts_with([' ', '\t']) {
                return fail("a goose annotation with blanks before it, which goose refuses: begin it in the first column");
            }
            match annotation.to_ascii_uppercase().as_str() {
                "UP" if up.is_some() => return fail("a second `-- +goose Up`, which goose refuses"),
                "UP" if down.is_some() => return fail("`-- +goose Up` after `-- +goose Down`, which goose refuses"),
                "UP" => up = Some(line.range.start),
                "DOWN" if up.is_none() => return fail("`-- +goose Down` without an Up before it, which goose refuses"),
                "DOWN" if down.is_some() => return fail("a second `-- +goose Down`, which goose refuses"),
                "DOWN" => {
                    unfinished(open, inside)?;
                    down = Some(line.range.start);
                }
                "STATEMENTBEGIN" if inside.is_some() => return fail("StatementBegin inside of a statement, which goose refuses"),
                "STATEMENTBEGIN" => inside = Some(line.number),
                "STATEMENTEND" if inside.take().is_none() => return fail("StatementEnd without a StatementBegin, which goose refuses"),
                "STATEMENTEND" => open = None,
                "NO TRANSACTION" => transaction = false,
                "ENVSUB ON" => envsub = true,
                "ENVSUB OFF" => envsub = false,
                other => return Err((line.number, format!("the annotation `{other}` is none of goose's"))),
            }
            continue;
        }
        let text = line.text.trim();
        if text.is_empty() || text.starts_with("--") {
            continue;
        }
        if up.is_none() {
            return fail("SQL before `-- +goose Up`, which goose does not run: move it below");
        }
        if envsub && has_variable(text) {
            return fail(
                "goose would put an environment variable in here (ENVSUB ON), and what it holds is not part of the file: write the value, or run goose itself (layout = \"command\")",
            );
        }
        if inside.is_none() {
            open = (!ends_a_statement(text)).then_some(open.unwrap_or(line.number));
        }
    }
    unfinished(open, inside)?;
    let Some(up) = up else { return Err((1, "there is no `-- +goose Up`, which goose requires".into())) };
    Ok(Sections { up: up..down.unwrap_or(bytes.len()), down: down.map(|down| down..bytes.len()), transaction })
}

fn unfinished(open: Option<u64>, inside: Option<u64>) -> Result<(), (u64, String)> {
    match (inside, open) {
        (Some(line), _) => Err((line, "StatementBegin without a StatementEnd, which goose refuses".into())),
        (None, Some(line)) => Err((line, "this statement has no semicolon at the end of its last line, which goose requires".into())),
        (None, None) => Ok(()),
    }
}

/// goose's own rule: the last word before a comment ends with a semicolon.
fn ends_a_statement(line: &str) -> bool {
    let mut last = "";
    for word in line.split_whitespace() {
        if word.starts_with("--") {
            break;
        }
        last = word;
    }
    last.ends_with(';')
}

/// The text after `+goose` in a comment.
fn annotation(line: &str) -> Option<&str> {
    let comment = line.trim_start().strip_prefix("--")?;
    let (before, after) = comment.split_once("+goose")?;
    before.trim().is_empty().then(|| after.trim())
}

fn has_variable(text: &str) -> bool {
    text.match_indices('$').any(|(at, _)| text[at + 1..].starts_with(|c: char| c == '{' || c == '_' || c.is_ascii_alphabetic()))
}

/// Whether a file has an annotation of goose's.
pub fn speaks(bytes: &[u8]) -> bool {
    walk::lines(bytes).any(|line| annotation(line.text).is_some())
}
