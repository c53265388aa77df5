//! sqlx: `<i64>_<description>.sql`, or `.up.sql` and `.down.sql`; a file that starts with the bytes `-- no-transaction` opts out.
//!
//! Not recursive; a `.sql` file whose part before the first `_` is no number stops sqlx. The checksum is SHA-384 of the file.
//! (sqlx-core, `migrate/source.rs`, `migrate/migration.rs`.)

use std::path::Path;

use sha2::{Digest, Sha384};

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, compare, walk};

/// Reads a sqlx folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Sqlx, dir);
    let mut downs: Vec<(String, Script)> = Vec::new();
    for file in walk::files(dir)?.into_iter().filter(|file| file.ends_with(".sql")) {
        set.files += 1;
        let Some((version, rest)) = file.split_once('_') else {
            let message = "is not <number>_description.sql, so sqlx skips it".into();
            set.oddities.push(Oddity { kind: OddityKind::Unnumbered, subject: file, message });
            continue;
        };
        if version.parse::<i64>().is_err() {
            let message = format!("`{version}` before the first `_` is no 64-bit number: sqlx stops at this file; rename it");
            set.oddities.push(Oddity::not_importable(file.as_str(), message));
            continue;
        }
        let (name, down) = match (rest.strip_suffix(".up.sql"), rest.strip_suffix(".down.sql")) {
            (Some(name), _) => (name, false),
            (_, Some(name)) => (name, true),
            _ => (walk::without(rest, ".sql").unwrap_or(rest), false),
        };
        let bytes = walk::bytes(dir, &file)?;
        let wrapped = !bytes.starts_with(b"-- no-transaction");
        let checksum = hex::encode(Sha384::digest(&bytes));
        let script = Script::new(&*file, bytes).wrapped(wrapped);
        // sqlx shows and records descriptions with blanks for underscores.
        match down {
            true => downs.push((version.to_owned(), script)),
            false => {
                let migration = Migration::new(Layout::Sqlx, version, name.replace('_', " "), script);
                set.migrations.push(Migration { checksum: Some(checksum), ..migration });
            }
        }
    }
    set.migrations.sort_by(|a, b| compare(&a.version, &b.version).then_with(|| a.up.file.cmp(&b.up.file)));
    for (version, script) in downs {
        match set.migrations.iter_mut().find(|m| m.version == version && m.down.is_none()) {
            Some(migration) => migration.down = Some(script),
            None => {
                let message = format!("is a down script for version {version}, which has no migration or already a way down");
                set.oddities.push(Oddity { kind: OddityKind::Unmatched, subject: script.file, message });
            }
        }
    }
    Ok(set)
}
