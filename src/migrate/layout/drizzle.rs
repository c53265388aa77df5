//! drizzle-kit: `0000_name.sql` files in the order of `meta/_journal.json`, statements set apart by `--> statement-breakpoint`.
//!
//! All pending files run in one transaction. The history keeps the SHA-256 of each file and the journal's time. There is no way down.
//! (drizzle-orm, `migrator.ts`, `pg-core/dialect.ts`.)

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Key, Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, walk};

#[derive(Deserialize)]
struct Journal {
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// Milliseconds; what the history calls the migration.
    when: i64,
    /// The file's name without its extension.
    tag: String,
}

const JOURNAL: &str = "meta/_journal.json";

/// Reads drizzle's folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Drizzle, dir);
    let refused = |message: String| LayoutError::Plan { file: JOURNAL.into(), line: 1, message };
    let journal: Journal = serde_json::from_slice(&walk::bytes(dir, JOURNAL)?).map_err(|error| LayoutError::Plan {
        file: JOURNAL.into(),
        line: error.line() as u64,
        message: error.to_string(),
    })?;
    let files: Vec<String> = walk::files(dir)?.into_iter().filter(|file| file.ends_with(".sql")).collect();
    set.files = files.len();
    for entry in &journal.entries {
        let file = format!("{}.sql", entry.tag);
        if !files.contains(&file) {
            return Err(refused(format!("names {file}, and there is no such file: drizzle stops here")));
        }
        let bytes = walk::bytes(dir, &file)?;
        let digits = entry.tag.bytes().take_while(u8::is_ascii_digit).count();
        let version = if digits == 0 { entry.when.to_string() } else { entry.tag[..digits].to_owned() };
        let name = entry.tag[digits..].trim_start_matches('_').to_owned();
        let checksum = hex::encode(Sha256::digest(&bytes));
        let mut migration = Migration::new(Layout::Drizzle, version, name, Script::new(file, bytes));
        migration.key = Key::Name(entry.when.to_string());
        migration.checksum = Some(checksum);
        set.migrations.push(migration);
    }
    for file in files {
        if !set.migrations.iter().any(|migration| migration.up.file == file) {
            let message = format!("is not in {JOURNAL}, so drizzle never runs it");
            set.oddities.push(Oddity { kind: OddityKind::Unmatched, subject: file, message });
        }
    }
    Ok(set)
}

/// Whether this folder is drizzle's.
pub fn is_here(dir: &Path) -> bool {
    dir.join(JOURNAL).is_file()
}
