//! Hasura: `migrations/<database>/<timestamp>_<name>/up.sql` and `down.sql`; the folder of one database is what is read.
//!
//! The version is the number before the first `_`. A file is sent as one message. A migration may have a `down.sql` alone.
//! (Hasura CLI, `migrate/source/file`.)

use std::path::Path;

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, compare, walk};

/// Reads the folder of one database.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Hasura, dir);
    for folder in walk::folders(dir)? {
        let at = dir.join(&folder);
        let files = walk::files(&at)?;
        let has = |name: &str| files.iter().any(|file| file == name);
        set.files += files.iter().filter(|file| file.ends_with(".sql")).count();
        let digits = folder.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || !has("up.sql") {
            // The project's own folder, or one migration without its way up.
            let (kind, message) = match (digits, walk::tree(&at)?.iter().any(|file| file.ends_with("/up.sql"))) {
                (0, true) => (
                    OddityKind::NotImportable,
                    format!("is the folder of a database: set dir = \"…/{folder}\" under [migrations] in ledger.toml"),
                ),
                (0, false) => (OddityKind::Unnumbered, "has no number at the beginning of its name, so Hasura skips it".to_owned()),
                _ => (
                    OddityKind::NotImportable,
                    "has no up.sql, and Hasura counts it as a migration: add one, or remove the folder".to_owned(),
                ),
            };
            set.oddities.push(Oddity { kind, subject: folder, message });
            continue;
        }
        let name = folder[digits..].trim_start_matches('_').to_owned();
        let up = Script::new(format!("{folder}/up.sql"), walk::bytes(&at, "up.sql")?);
        let mut migration = Migration::new(Layout::Hasura, &folder[..digits], name, up);
        if has("down.sql") {
            migration.down = Some(Script::new(format!("{folder}/down.sql"), walk::bytes(&at, "down.sql")?));
        }
        set.migrations.push(migration);
    }
    set.migrations.sort_by(|a, b| compare(&a.version, &b.version));
    Ok(set)
}
