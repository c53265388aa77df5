//! node-pg-migrate: SQL files with `-- Up Migration` and `-- Down Migration` lines; JavaScript and TypeScript files cannot be imported.
//!
//! Without an Up line, everything before the Down line is the way up. The history knows a file by its name without extension; the order
//! is that of the numbers, then of the names. (node-pg-migrate, `sqlMigration.ts`, `migration.ts`.)

use std::path::Path;

use super::{Key, Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, numbers, walk};

/// Reads node-pg-migrate's folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::NodePgMigrate, dir);
    for file in walk::files(dir)? {
        let digits = file.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            set.files += 1;
            let message = "has no number at the beginning of its name: node-pg-migrate cannot order it".into();
            set.oddities.push(Oddity { kind: OddityKind::Unnumbered, subject: file, message });
            continue;
        }
        set.files += 1;
        let Some(stem) = file.strip_suffix(".sql") else {
            let message = "is a migration written in code, which only node-pg-migrate can run: run that instead (layout = \"command\"), or \
                           write the migration in SQL";
            set.oddities.push(Oddity::not_importable(file, message));
            continue;
        };
        let bytes = walk::bytes(dir, &file)?;
        let at = |direction: &str| walk::lines(&bytes).find(|line| says(line.text, direction)).map(|line| line.range.start);
        let (up_at, down_at) = (at("up"), at("down"));
        // As the tool slices: from a direction's line to the other's, if that comes later.
        let slice = |from: usize, other: Option<usize>| from..other.filter(|other| *other > from).unwrap_or(bytes.len());
        let up = match up_at {
            Some(up) => slice(up, down_at),
            None => 0..bytes.len(),
        };
        if up_at.is_none() && down_at.is_some() {
            let message = "has a Down line and no Up line, so node-pg-migrate runs the whole file, the way down with it, as the way up";
            set.oddities.push(Oddity::not_importable(file.as_str(), message));
        }
        let mut migration = Migration::new(Layout::NodePgMigrate, &file[..digits], &stem[digits..], Script::part(&*file, &bytes, up));
        migration.name = migration.name.trim_start_matches(['_', '-']).to_owned();
        migration.down = down_at.map(|down| Script::part(&*file, &bytes, slice(down, up_at)));
        migration.key = Key::Name(stem.to_owned());
        set.migrations.push(migration);
    }
    set.migrations.sort_by_cached_key(|m| (m.version.parse::<u128>().unwrap_or(u128::MAX), m.name.clone()));
    numbers::number(&mut set.migrations);
    Ok(set)
}

/// `^\s*--[\s-]*up\s+migration`, in any letters.
fn says(line: &str, direction: &str) -> bool {
    let Some(rest) = line.trim_start().strip_prefix("--") else { return false };
    let lower = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '-').to_ascii_lowercase();
    lower.strip_prefix(direction).is_some_and(|rest| rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with("migration"))
}

/// Whether a file has a direction line of node-pg-migrate's.
pub fn speaks(bytes: &[u8]) -> bool {
    walk::lines(bytes).any(|line| says(line.text, "up") || says(line.text, "down"))
}
