//! Prisma: `migrations/<timestamp>_<name>/migration.sql`, one folder a migration, `migration_lock.toml` beside them.
//!
//! Folders are run in the order of their names; the folder's whole name is what the history knows. A file is sent as one message. Prisma has
//! no way down; a `down.sql` that the team keeps in the folder is taken for one. (Prisma, "Migration histories", schema engine.)

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Key, Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, walk};

/// Reads Prisma's `migrations` folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Prisma, dir);
    for folder in walk::folders(dir)? {
        let at = dir.join(&folder);
        let files = walk::files(&at)?;
        let has = |name: &str| files.iter().any(|file| file == name);
        set.files += files.iter().filter(|file| file.ends_with(".sql")).count();
        if !has("migration.sql") {
            let message = "has no migration.sql, and Prisma stops at it: remove the folder, or put the file back";
            set.oddities.push(Oddity::not_importable(folder, message));
            continue;
        }
        let digits = folder.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            let message = "has no timestamp at the beginning of its name; Prisma runs it where its name sorts".into();
            set.oddities.push(Oddity { kind: OddityKind::Unnumbered, subject: folder.clone(), message });
        }
        let (version, name) = match digits {
            0 => (folder.as_str(), folder.as_str()),
            _ => (&folder[..digits], folder[digits..].trim_start_matches('_')),
        };
        let bytes = walk::bytes(&at, "migration.sql")?;
        let checksum = hex::encode(Sha256::digest(&bytes));
        let mut migration = Migration::new(Layout::Prisma, version, name, Script::new(format!("{folder}/migration.sql"), bytes));
        migration.key = Key::Name(folder.clone());
        migration.checksum = Some(checksum);
        if has("down.sql") {
            migration.down = Some(Script::new(format!("{folder}/down.sql"), walk::bytes(&at, "down.sql")?));
        }
        set.migrations.push(migration);
    }
    tell_apart(&mut set.migrations);
    Ok(set)
}

/// To Prisma the whole name is the migration, so that a timestamp may stand twice: its second holder is `20260305000000.2` here.
fn tell_apart(migrations: &mut [Migration]) {
    let numbers: Vec<String> = migrations.iter().map(|migration| migration.version.clone()).collect();
    for (index, migration) in migrations.iter_mut().enumerate() {
        let place = numbers[..index].iter().filter(|number| **number == migration.version).count();
        if place > 0 {
            migration.version = format!("{}.{}", migration.version, place + 1);
        }
    }
}

/// Whether these files are Prisma's.
pub fn speaks(files: &[String]) -> bool {
    files.iter().any(|file| file == "migration_lock.toml" || file.matches('/').count() == 1 && file.ends_with("/migration.sql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_used_twice_is_two_migrations() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["20260101000000_a", "20260101000000_b", "20260101000000_c", "20260102000000_d"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("migration.sql"), "select 1;").unwrap();
        }
        let set = MigrationSet::read(folder.path(), "prisma").unwrap();
        let versions: Vec<&str> = set.migrations.iter().map(|m| m.version.as_str()).collect();
        assert_eq!(versions, ["20260101000000", "20260101000000.2", "20260101000000.3", "20260102000000"]);
        assert_eq!(set.oddities, []);
    }
}
