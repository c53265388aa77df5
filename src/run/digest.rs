//! Digests that pin what a run is about: the migrations and the source commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::RunError;

/// SHA-256 (hex) over the sorted `<sha256>  <relative path>\n` lines of every file below the folder, as `sha256sum` would list
/// them. A missing folder digests as an empty one; that it is missing is CE-21's finding.
pub fn of_folder(root: &Path) -> Result<String, RunError> {
    let mut files = BTreeMap::new();
    collect(root, root, &mut files)?;
    let mut hasher = Sha256::new();
    for (name, path) in files {
        let bytes = std::fs::read(&path).map_err(|source| RunError::Io { what: path.display().to_string(), source })?;
        hasher.update(format!("{}  {name}\n", hex::encode(Sha256::digest(&bytes))));
    }
    Ok(hex::encode(hasher.finalize()))
}

/// The same over files whose digests are known, by their names.
pub fn of_files(files: BTreeMap<String, String>) -> String {
    let mut hasher = Sha256::new();
    for (name, sha256) in files {
        hasher.update(format!("{sha256}  {name}\n"));
    }
    hex::encode(hasher.finalize())
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<(), RunError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(RunError::Io { what: folder.display().to_string(), source }),
    };
    for entry in entries {
        let path = entry.map_err(|source| RunError::Io { what: folder.display().to_string(), source })?.path();
        // Links are followed by nobody: what they point at is not part of the folder.
        let meta = std::fs::symlink_metadata(&path).map_err(|source| RunError::Io { what: path.display().to_string(), source })?;
        if meta.is_dir() {
            collect(root, &path, files)?;
        } else if meta.is_file() {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.insert(name, path);
        }
    }
    Ok(())
}

/// The commit of the project's git checkout, or `unknown` where there is none.
pub fn source_commit(root: &Path) -> String {
    let output =
        Command::new("git").args(["rev-parse", "--verify", "HEAD"]).current_dir(root).stdin(Stdio::null()).stderr(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".into(),
    }
}
