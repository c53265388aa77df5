//! sql-migrate: one file a migration, `-- +migrate Up` and `-- +migrate Down` sections in it; the history knows the file by its name.
//!
//! `notransaction` after a direction opts that direction out. A statement ends at a line that ends with a semicolon, unless between
//! StatementBegin and StatementEnd. Files run by the number they begin with, then by name. (sql-migrate, `sqlparse/sqlparse.go`.)

use std::ops::Range;
use std::path::Path;

use super::{Key, Layout, LayoutError, Migration, MigrationSet, Oddity, Script, numbers, walk};

/// Reads sql-migrate's folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::SqlMigrate, dir);
    let mut files: Vec<String> = walk::files(dir)?.into_iter().filter(|file| file.ends_with(".sql")).collect();
    let number = |file: &str| file.bytes().take_while(u8::is_ascii_digit).count();
    // Numbered ones first, by number; the others by name.
    files.sort_by_cached_key(|file| {
        let digits = number(file);
        (digits == 0, file[..digits].parse::<i64>().unwrap_or(i64::MAX), file.clone())
    });
    for file in files {
        set.files += 1;
        let bytes = walk::bytes(dir, &file)?;
        match sections(&bytes) {
            Err((line, message)) => set.oddities.push(Oddity::not_importable(format!("{file}:{line}"), message)),
            Ok(sections) => {
                let script = |ranges: &Vec<Range<usize>>, wrapped| Script::parts(&*file, &bytes, ranges.iter().cloned()).wrapped(wrapped);
                let stem = file.trim_end_matches(".sql");
                let name = stem[number(stem)..].trim_start_matches(['-', '_', '.']).to_owned();
                let mut migration = Migration::new(Layout::SqlMigrate, stem, name, script(&sections.up, sections.up_wrapped));
                migration.down = (!sections.down.is_empty()).then(|| script(&sections.down, sections.down_wrapped));
                migration.key = Key::Name(file);
                set.migrations.push(migration);
            }
        }
    }
    numbers::number(&mut set.migrations);
    Ok(set)
}

#[derive(Default)]
struct Sections {
    up: Vec<Range<usize>>,
    down: Vec<Range<usize>>,
    up_wrapped: bool,
    down_wrapped: bool,
}

fn sections(bytes: &[u8]) -> Result<Sections, (u64, String)> {
    let mut found = Sections { up_wrapped: true, down_wrapped: true, ..Sections::default() };
    let mut current: Option<(bool, usize)> = None;
    let (mut inside, mut open) = (None, None);
    for line in walk::lines(bytes) {
        if let Some(command) = command(line.text) {
            let mut words = command.split_whitespace();
            let word = words.next().unwrap_or_default();
            let fail = |message: &str| Err((line.number, message.to_owned()));
            match word {
                "Up" | "Down" => {
                    if let Some(open) = open {
                        return Err((open, unfinished()));
                    }
                    close(&mut found, current, line.range.start);
                    let up = word == "Up";
                    current = Some((up, line.range.end));
                    if words.any(|option| option == "notransaction") {
                        *(if up { &mut found.up_wrapped } else { &mut found.down_wrapped }) = false;
                    }
                }
                "StatementBegin" => inside = Some(line.number),
                "StatementEnd" if inside.take().is_none() => {
                    return fail("StatementEnd without a StatementBegin, which sql-migrate refuses");
                }
                "StatementEnd" => open = None,
                other => return Err((line.number, format!("`{other}` is no command of sql-migrate's"))),
            }
            continue;
        }
        let text = line.text.trim();
        if text.is_empty() || text.starts_with("--") {
            continue;
        }
        if current.is_none() {
            return Err((line.number, "SQL before `-- +migrate Up`, which sql-migrate does not run: move it below".into()));
        }
        if inside.is_none() {
            let before_comment = text.split_whitespace().take_while(|word| !word.starts_with("--")).last().unwrap_or_default();
            open = if before_comment.ends_with(';') { None } else { Some(open.unwrap_or(line.number)) };
        }
    }
    if let Some(line) = inside {
        return Err((line, "StatementBegin without a StatementEnd, which sql-migrate refuses".into()));
    }
    if let Some(line) = open {
        return Err((line, unfinished()));
    }
    close(&mut found, current, bytes.len());
    if found.up.is_empty() && found.down.is_empty() {
        return Err((1, "there is neither `-- +migrate Up` nor Down, one of which sql-migrate requires".into()));
    }
    Ok(found)
}

fn close(found: &mut Sections, current: Option<(bool, usize)>, at: usize) {
    match current {
        Some((true, from)) => found.up.push(from..at.max(from)),
        Some((false, from)) => found.down.push(from..at.max(from)),
        None => {}
    }
}

fn unfinished() -> String {
    "this statement has no semicolon at the end of its last line, which sql-migrate requires".into()
}

/// The text after `-- +migrate`.
fn command(line: &str) -> Option<&str> {
    line.strip_prefix("--")?.trim_start().strip_prefix("+migrate").map(str::trim)
}

/// Whether a file has a command of sql-migrate's.
pub fn speaks(bytes: &[u8]) -> bool {
    walk::lines(bytes).any(|line| command(line.text).is_some())
}
