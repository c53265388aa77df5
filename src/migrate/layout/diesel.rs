//! diesel: a folder a migration, `up.sql` and perhaps `down.sql` and `metadata.toml` in it.
//!
//! The version is the folder's name up to the first `_`, without `-`, compared as text. `metadata.toml` says `run_in_transaction`; a
//! trap of diesel's: without that file it is true, in a file that does not say it, false. (diesel, `migrations_internals`.)

use std::path::Path;

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, Script, walk};

/// Reads diesel's `migrations` folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Diesel, dir);
    for folder in walk::folders(dir)? {
        let at = dir.join(&folder);
        let files = walk::files(&at)?;
        let has = |name: &str| files.iter().any(|file| file == name);
        set.files += files.iter().filter(|file| file.ends_with(".sql")).count();
        if !has("up.sql") {
            let message = "has no up.sql: diesel stops at this folder; add one, or move the folder away";
            set.oddities.push(Oddity::not_importable(folder, message));
            continue;
        }
        let (version, name) = folder.split_once('_').unwrap_or((&folder, ""));
        let wrapped = !has("metadata.toml") || runs_in_transaction(&walk::bytes(&at, "metadata.toml")?);
        let script = |file: &str| Ok(Script::new(format!("{folder}/{file}"), walk::bytes(&at, file)?).wrapped(wrapped));
        let mut migration = Migration::new(Layout::Diesel, version.replace('-', ""), name, script("up.sql")?);
        migration.down = if has("down.sql") { Some(script("down.sql")?) } else { None };
        set.migrations.push(migration);
    }
    set.migrations.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(set)
}

/// What diesel makes of a `metadata.toml`: false where the key is missing, true where the file cannot be read.
fn runs_in_transaction(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<toml::Table>().ok()) {
        Some(table) => table.get("run_in_transaction").is_some_and(|value| value.as_bool().unwrap_or(true)),
        None => true,
    }
}
