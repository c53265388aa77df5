//! dbmate: one file a migration, `-- migrate:up` and `-- migrate:down` blocks in it.
//!
//! `<digits>….sql`, sorted by name; the version is the digits. Directives stand in column 0. Options follow a directive as
//! `key:value`; `transaction:false` is the one there is. A block is sent as one message. (dbmate, `pkg/dbmate/migration.go`.)

use std::ops::Range;
use std::path::Path;

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, walk};

/// Reads a dbmate folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Dbmate, dir);
    for file in walk::files(dir)?.into_iter().filter(|file| file.ends_with(".sql")) {
        set.files += 1;
        let digits = file.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            let message = "has no number at the beginning of its name, so dbmate skips it".into();
            set.oddities.push(Oddity { kind: OddityKind::Unnumbered, subject: file, message });
            continue;
        }
        let bytes = walk::bytes(dir, &file)?;
        match blocks(&bytes) {
            Err((line, message)) => set.oddities.push(Oddity::not_importable(format!("{file}:{line}"), message)),
            Ok((up, down)) => {
                let name = file[digits..].trim_start_matches('_').trim_end_matches(".sql").to_owned();
                let script = |block: &Block| Script::part(&*file, &bytes, block.range.clone()).wrapped(block.transaction);
                let mut migration = Migration::new(Layout::Dbmate, &file[..digits], name, script(&up));
                // An empty block is how a way down that was never written looks.
                migration.down = Some(script(&down)).filter(has_statement);
                set.migrations.push(migration);
            }
        }
    }
    Ok(set)
}

fn has_statement(script: &Script) -> bool {
    let split = crate::migrate::split::split_bytes(&script.bytes);
    !split.statements.is_empty() || !split.refusals.is_empty()
}

struct Block {
    range: Range<usize>,
    transaction: bool,
}

/// The blocks, or the line and reason at which dbmate stops.
fn blocks(bytes: &[u8]) -> Result<(Block, Block), (u64, String)> {
    let mut up: Option<(Block, u64)> = None;
    let mut down: Option<(Block, u64)> = None;
    let mut statement_before = None;
    for line in walk::lines(bytes) {
        let block = || Block { range: line.range.start..bytes.len(), transaction: !options(line.text).any(|o| o == "transaction:false") };
        match directive(line.text) {
            Some(true) if up.is_some() => {
                return Err((line.number, "a second `-- migrate:up` block: dbmate reads one; put it into a file of its own".into()));
            }
            Some(true) => up = Some((block(), line.number)),
            Some(false) if down.is_some() => {
                return Err((line.number, "a second `-- migrate:down` block: dbmate reads one; join the two".into()));
            }
            Some(false) => down = Some((block(), line.number)),
            None => {
                let text = line.text.trim_start();
                if up.is_none() && down.is_none() && !text.is_empty() && !text.starts_with("--") {
                    statement_before.get_or_insert(line.number);
                }
            }
        }
    }
    let Some((mut up, up_line)) = up else {
        return Err((1, "there is no `-- migrate:up` block, which dbmate requires".into()));
    };
    let Some((down, down_line)) = down else {
        return Err((up_line, "there is no `-- migrate:down` block, which dbmate requires; an empty one will do".into()));
    };
    if down_line < up_line {
        return Err((down_line, "`-- migrate:down` stands before `-- migrate:up`, which dbmate refuses".into()));
    }
    if let Some(line) = statement_before {
        return Err((line, "there are statements before the `-- migrate:up` block, which dbmate refuses; move them into it".into()));
    }
    up.range.end = down.range.start;
    Ok((up, down))
}

/// Whether a line begins the way up (true) or down (false).
fn directive(line: &str) -> Option<bool> {
    let text = line.strip_prefix("--")?.trim_start().strip_prefix("migrate:")?;
    let (up, rest) = match (text.strip_prefix("up"), text.strip_prefix("down")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return None,
    };
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some(up)
}

fn options(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace().skip_while(|word| !word.contains("migrate:")).skip(1)
}

/// Whether a file has a directive of dbmate's.
pub fn speaks(bytes: &[u8]) -> bool {
    walk::lines(bytes).any(|line| directive(line.text).is_some())
}
