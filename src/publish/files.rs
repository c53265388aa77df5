//! Writing files so that no reader ever sees half of one: beside, synced, renamed.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{PublishError, Result};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    New,
    Unchanged,
    Replaced,
}

/// Writes one file. Equal bytes are left alone; other bytes are replaced only when `replace` says so.
pub fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<Written> {
    let io = |source| PublishError::Io { what: format!("cannot write {}", path.display()), source };
    let before = match std::fs::read(path) {
        Ok(found) if found == bytes => return Ok(Written::Unchanged),
        Ok(_) if !replace => {
            return Err(PublishError::refused(
                format!("{} exists and holds something else", path.display()),
                "--force replaces it; --out DIR writes somewhere else",
            ));
        }
        Ok(_) => Written::Replaced,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Written::New,
        Err(error) => return Err(io(error)),
    };
    let folder: PathBuf = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).into();
    std::fs::create_dir_all(&folder).map_err(io)?;
    let mut file = tempfile::Builder::new().prefix(".ledger-").tempfile_in(&folder).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    readable(file.as_file()).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    std::fs::File::open(&folder).and_then(|dir| dir.sync_all()).map_err(io)?;
    Ok(before)
}

/// Temporary files are private; what is published is for others to read.
pub(super) fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}
