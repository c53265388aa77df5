//! The evidence package of a run, and its unpacked twin in `evidence/<run>/`.
//!
//! Published if it was not, packed, signed, unpacked. Apart from the publication nothing is appended; equal bytes stay as they are.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::heads::sign_checkpoint;
use super::{PublishError, Result, publish};
use crate::chain::Store;
use crate::domain::RunId;
use crate::package::{self, Problem, View, Written, scan};
use crate::sign::Signs;

/// What packaging made.
#[derive(Clone, Debug)]
pub struct Packaged {
    pub written: Written,
    /// The `published` entry whose files are in it.
    pub published: u64,
    /// `<zip>.sig`: made with the key, or there already over these very bytes.
    pub signature: Option<PathBuf>,
    /// The unpacked package.
    pub folder: PathBuf,
}

/// Packs the run into `<out>/<run>.zip` and unpacks it into `<out>/<run>/`. With a key, the checkpoint at N and the package are signed.
pub fn package(store: &mut Store, id: &RunId, actor: &str, key: Option<&dyn Signs>, out: &Path, force: bool) -> Result<Packaged> {
    view(store, id, actor, key, &View::full(), out, force)
}

/// The same with what a view leaves out. All views of one state share its head and the signatures inside; each has a signature of its own.
pub fn view(store: &mut Store, id: &RunId, actor: &str, key: Option<&dyn Signs>, view: &View, out: &Path, force: bool) -> Result<Packaged> {
    let (published, rendered) = publish(store, id, actor)?;
    if let Some(key) = key {
        sign_checkpoint(store, rendered.size, key)?;
    }
    let written = package::write(store, id.as_str(), view, out, force)?;
    let signature = match key {
        Some(key) => Some(package::sign(&written, key)?),
        None => package::kept_signature(&written)?,
    };
    let folder = out.join(id.as_str());
    unpack(&written.zip, &folder, force)?;
    Ok(Packaged { written, published, signature, folder })
}

/// Makes the folder hold exactly the archive's files. What else lies there is somebody's: it is named, and removed only with `force`.
fn unpack(zip: &Path, folder: &Path, force: bool) -> Result<()> {
    let archive = scan::scan(zip)?;
    let names: BTreeSet<String> = archive.files().map(|(name, _)| name.to_owned()).collect();
    let strangers: Vec<PathBuf> =
        files_below(folder)?.into_iter().filter(|found| !names.contains(found.to_string_lossy().as_ref())).collect();
    if let Some(first) = strangers.first()
        && !force
    {
        return Err(PublishError::refused(
            format!("{} holds {}, which is not in the package", folder.display(), first.display()),
            "move it elsewhere, or ledger package --force removes it",
        ));
    }
    for stranger in &strangers {
        let path = folder.join(stranger);
        std::fs::remove_file(&path).map_err(|source| PublishError::Io { what: format!("cannot remove {}", path.display()), source })?;
    }
    for name in &names {
        let path = folder.join(name);
        let io = |source| PublishError::Io { what: format!("cannot write {}", path.display()), source };
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(io)?;
        let mut file = tempfile::Builder::new().prefix(".ledger-").tempfile_in(parent).map_err(io)?;
        let mut failed = None;
        archive.stream(name, &mut |bytes| {
            if failed.is_none() {
                failed = file.write_all(bytes).err();
            }
        })?;
        if let Some(error) = failed {
            return Err(io(error));
        }
        super::files::readable(file.as_file()).map_err(io)?;
        file.persist(&path).map_err(|error| io(error.error))?;
    }
    Ok(())
}

/// Paths of all files below the folder, relative to it; none when it is not there.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(dir) = open.pop() {
        let io = |source| PublishError::Io { what: format!("cannot read {}", dir.display()), source };
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && dir == folder => return Ok(found),
            Err(error) => return Err(io(error)),
        };
        for entry in entries {
            let entry = entry.map_err(io)?;
            // A link is a file here: it is never followed.
            if entry.file_type().map_err(io)?.is_dir() {
                open.push(entry.path());
            } else if let Ok(relative) = entry.path().strip_prefix(folder) {
                found.push(relative.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

impl From<Problem> for PublishError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Fault(fault) => Self::Chain(fault.into()),
            Problem::Ledger(error) => Self::Chain(error),
            Problem::Sign(error) => Self::Sign(error),
            Problem::NotReady(why) => {
                Self::refused(why, "ledger status shows where the run stands; ledger package --force replaces a package")
            }
            Problem::Io(why) => Self::refused(why, "mend that and run ledger package again"),
        }
    }
}
