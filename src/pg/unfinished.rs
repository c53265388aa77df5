//! A backup while it is written: under a name that says so, until it is whole.
//!
//! `x.dump.partial` becomes `x.dump` after its digest was taken and its bytes are on the disk. So whatever bears a backup's name is one, whenever the
//! writer died. The file is locked (flock(2)) as long as its writer lives, on whatever terms it dies: what nobody holds any more is a leftover.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::PgError;

/// What the name of an unfinished backup ends in.
const ENDING: &str = ".partial";

/// A file or folder of ours that is being written; removed when dropped before [`Unfinished::publish`].
pub(super) struct Unfinished {
    path: PathBuf,
    whole: PathBuf,
    /// Held until it is whole or gone.
    _lock: Flock<File>,
    published: bool,
}

impl Unfinished {
    /// Makes the place to write to, 0600 (a folder 0700), in a folder that is made 0700. What exists under the final name stays as it is, and is an
    /// error.
    pub fn begin(whole: &Path, folder: bool) -> Result<Self, PgError> {
        if whole.symlink_metadata().is_ok() {
            return Err(failed("make", whole, &io::Error::from(io::ErrorKind::AlreadyExists)));
        }
        if let Some(parent) = whole.parent() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(parent).map_err(|error| failed("make", parent, &error))?;
        }
        let path = unfinished(whole);
        let lock = make(&path, folder).map_err(|error| failed("make", &path, &error))?;
        Ok(Self { path, whole: whole.to_owned(), _lock: lock, published: false })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, once everything of it is on the disk.
    pub fn publish(mut self) -> Result<(), PgError> {
        let done = || -> io::Result<()> {
            for file in files(&self.path)? {
                // pg_dump made those of a folder, as its umask had it.
                std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
                File::open(file)?.sync_all()?;
            }
            // Of a folder the names in it as well.
            File::open(&self.path)?.sync_all()?;
            std::fs::rename(&self.path, &self.whole)?;
            match self.whole.parent() {
                // The name is on the disk when its folder is.
                Some(parent) => File::open(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?.sync_all(),
                None => Ok(()),
            }
        };
        done().map_err(|error| failed("finish", &self.whole, &error))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is a leftover for the next run.
            let _ = remove(&self.path);
        }
    }
}

/// Removes unfinished backups in the folder whose writer is dead; returns their names. A folder that is not there has none.
pub fn remove_leftovers(folder: &Path) -> io::Result<Vec<String>> {
    let mut removed = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(whole) = name.strip_suffix(ENDING).filter(|name| is_ours(name)) else { continue };
        // A link is none of ours, wherever it leads.
        if path.symlink_metadata()?.is_symlink() || Flock::lock(File::open(&path)?, FlockArg::LockExclusiveNonblock).is_err() {
            continue;
        }
        remove(&path)?;
        // A frame gets its name first. Without its backup it is good for nothing.
        if whole.ends_with(".dump") && !folder.join(whole).exists() {
            match std::fs::remove_file(super::frame::beside(&folder.join(whole))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        removed.push(name);
    }
    removed.sort();
    Ok(removed)
}

/// Whether a backup or a frame of ours has such a name.
fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(".frame").unwrap_or(name);
    name.strip_suffix(".dump").is_some_and(|name| name.starts_with("pre_rollback_") || name.starts_with("staging_migration_"))
}

fn unfinished(whole: &Path) -> PathBuf {
    let mut name = whole.as_os_str().to_owned();
    name.push(ENDING);
    PathBuf::from(name)
}

fn make(path: &Path, folder: bool) -> io::Result<Flock<File>> {
    loop {
        let file = match folder {
            true => {
                DirBuilder::new().mode(0o700).create(path)?;
                File::open(path)?
            }
            false => OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?,
        };
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error))?;
        // Somebody who clears up may have come between, and taken it for a leftover.
        match std::fs::metadata(path) {
            Ok(there) if there.ino() == lock.metadata()?.ino() => return Ok(lock),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
}

/// The files of a backup, in the order of their names: the one, or those in its folder.
pub(super) fn files(backup: &Path) -> io::Result<Vec<PathBuf>> {
    if !backup.metadata()?.is_dir() {
        return Ok(vec![backup.to_owned()]);
    }
    let mut files = std::fs::read_dir(backup)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Removes a backup of either form.
pub fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> PgError {
    PgError::other(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_leftovers_of_ours_that_nobody_holds_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let held = Unfinished::begin(&at("staging_migration_2_pre_migration.dump"), false).unwrap();
        let dropped = Unfinished::begin(&at("staging_migration_3_pre_migration.dump"), false).unwrap();
        drop(dropped);
        std::fs::create_dir(at("staging_migration_4_pre_migration.dump.partial")).unwrap();
        std::fs::write(at("staging_migration_4_pre_migration.dump.partial/toc.dat"), "x").unwrap();
        let others = ["mine.dump.partial", "staging_migration_5.dump", "staging_migration_6.dump.frame", "staging_migration_7.sql.partial"];
        for name in others.iter().chain(&[
            "staging_migration_1_pre_migration.dump.partial",
            "staging_migration_1_pre_migration.dump.frame",
            "pre_rollback_20260103T000000000Z.dump.frame.partial",
        ]) {
            std::fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(at("staging_migration_5.dump"), at("staging_migration_8.dump.partial")).unwrap();
        assert_eq!(
            remove_leftovers(folder.path()).unwrap(),
            [
                "pre_rollback_20260103T000000000Z.dump.frame.partial",
                "staging_migration_1_pre_migration.dump.partial",
                "staging_migration_4_pre_migration.dump.partial",
            ]
        );
        let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        let mut expected = others.to_vec();
        expected.extend(["staging_migration_2_pre_migration.dump.partial", "staging_migration_8.dump.partial"]);
        expected.sort_unstable();
        assert_eq!(left, expected);
        held.publish().unwrap();
        assert!(at("staging_migration_2_pre_migration.dump").exists());
        assert!(remove_leftovers(&at("nowhere")).unwrap().is_empty());
    }

    #[test]
    fn what_has_the_name_already_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.dump");
        std::fs::write(&file, "precious").unwrap();
        assert!(Unfinished::begin(&file, false).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    }
}
