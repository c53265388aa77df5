//! The project's folder: ledger.toml, migrations, workload, checks, where the server is.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::files::{self, File};
use super::{DemoError, Fault, Stage, is_free, people};
use crate::config::Preset;

/// CE-26 may measure this long in the run of a fault that it must find.
const BUDGET_SECONDS: u32 = 12;
/// In the other faults' runs it says inconclusive: with few rows row security costs more than the indexes gain, which is no fault.
const SHORT_BUDGET_SECONDS: u32 = 1;

/// Lays `folder` out as a project of the reference application on the stage's server, with the fault's files changed if there is one.
/// With `force` the files are written over those that are there, and nothing else is touched.
pub fn lay_out(folder: &Path, stage: &Stage, fault: Option<&Fault>, force: bool) -> Result<(), DemoError> {
    if !force && !is_free(folder) {
        return Err(DemoError::Occupied(folder.to_owned()));
    }
    let slowed = fault.filter(|fault| fault.found.task == "CE-26").map(|fault| fault.found.subject);
    // The other queries would take their share of the short budget and leave the slowed one undecided on a busy machine.
    let wanted =
        |(path, text): &&File| !path.starts_with("workload/") || slowed.is_none_or(|name| text.contains(&format!("-- name: {name}\n")));
    write(folder, &files::project().filter(wanted).copied().collect::<Vec<File>>())?;
    let mut config = Preset::Contracts.text();
    if let Some(fault) = fault {
        let seconds = if fault.found.task == "CE-26" { BUDGET_SECONDS } else { SHORT_BUDGET_SECONDS };
        config = config.replacen("budget-seconds = 25", &format!("budget-seconds = {seconds}"), 1);
        // One fault is enough.
        config = config.replacen("mutation-seconds = 8", "mutation-seconds = 0", 1);
    }
    put(folder, "ledger.toml", config.as_bytes(), 0o644)?;
    put(folder, "staging.url", format!("{}\n", stage.url()).as_bytes(), 0o600)?;
    put(folder, ".gitignore", b"backups/\nkeys/\nlogs/\nstaging.url\n", 0o644)?;
    for private in ["backups", "keys"] {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(private));
        made.map_err(|source| DemoError::Io { what: format!("cannot make {}", folder.join(private).display()), source })?;
    }
    people::make_keys(folder)?;
    let evidence = folder.join("evidence");
    fs::create_dir_all(&evidence).map_err(|source| DemoError::Io { what: format!("cannot make {}", evidence.display()), source })?;
    match fault {
        Some(fault) => fault.plant_files(folder, stage.cluster().bin()),
        None => Ok(()),
    }
}

/// Moves the evidence of an earlier demo in `folder` aside, if there is any: a ledger belongs to one target, and the server of that
/// demo is gone. Gives where it went.
pub fn set_aside(folder: &Path) -> Result<Option<PathBuf>, DemoError> {
    let evidence = folder.join("evidence");
    if !evidence.join("ledger.db").exists() {
        return Ok(None);
    }
    let number = (1..).find(|number| !folder.join(format!("evidence.{number}")).exists()).unwrap_or_default();
    let aside = folder.join(format!("evidence.{number}"));
    fs::rename(&evidence, &aside).map_err(|source| DemoError::Io { what: format!("cannot move {} aside", evidence.display()), source })?;
    Ok(Some(aside))
}

/// Writes the files below `folder`.
pub(super) fn write(folder: &Path, files: &[File]) -> Result<(), DemoError> {
    files.iter().try_for_each(|(path, text)| put(folder, path, text.as_bytes(), 0o644))
}

/// Writes one file below `folder`, with its folders.
pub(super) fn put(folder: &Path, path: &str, bytes: &[u8], mode: u32) -> Result<(), DemoError> {
    let file = folder.join(path);
    let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let mut open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&file)?;
        open.write_all(bytes)
    });
    written.map_err(|source| DemoError::Io { what: format!("cannot write {}", file.display()), source })
}
