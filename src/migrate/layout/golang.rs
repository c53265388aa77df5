//! golang-migrate: `<digits>_<title>.up.sql` and `.down.sql`, each sent to the server as one message, without directives.
//!
//! The version is an unsigned 64-bit number, sorted as one; either direction may be missing. (golang-migrate, `source/parse.go`,
//! `database/postgres`.) A migration without its way up is one that golang-migrate counts and for which it runs nothing.

use std::path::Path;

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, compare, same, walk};

/// Reads a golang-migrate folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::GolangMigrate, dir);
    let mut downs: Vec<(String, Script)> = Vec::new();
    for file in walk::files(dir)? {
        let Some((version, name, down, extension)) = named(&file) else {
            if walk::without(&file, ".sql").is_some() {
                set.files += 1;
                set.oddities.push(Oddity {
                    kind: OddityKind::Unnumbered,
                    subject: file,
                    message: "is not <number>_title.up.sql or .down.sql, so golang-migrate skips it".into(),
                });
            }
            continue;
        };
        set.files += 1;
        if version.parse::<u64>().is_err() {
            set.oddities.push(Oddity::not_importable(file.as_str(), "its number does not fit into 64 bits: golang-migrate stops at it"));
            continue;
        }
        if !extension.eq_ignore_ascii_case("sql") {
            let message =
                format!("is not SQL (`.{extension}`), but golang-migrate runs it: rename it to .sql, or move it out of the folder");
            set.oddities.push(Oddity::not_importable(file.as_str(), message));
            continue;
        }
        let (version, name) = (version.to_owned(), name.to_owned());
        let script = Script::new(&*file, walk::bytes(dir, &file)?);
        match down {
            false => set.migrations.push(Migration::new(Layout::GolangMigrate, version, name, script)),
            true => match downs.iter().find(|(taken, _)| same(taken, &version)) {
                Some((_, taken)) => set.oddities.push(Oddity {
                    kind: OddityKind::Ambiguous,
                    message: format!("version {version} already has the down script {}", taken.file),
                    subject: script.file,
                }),
                None => downs.push((version, script)),
            },
        }
    }
    set.migrations.sort_by(|a, b| compare(&a.version, &b.version).then_with(|| a.up.file.cmp(&b.up.file)));
    for (version, script) in downs {
        match set.migrations.iter_mut().find(|m| same(&m.version, &version)) {
            Some(migration) => migration.down = Some(script),
            None => set.oddities.push(Oddity::not_importable(
                script.file,
                format!("version {version} has a way down and no way up, which golang-migrate counts as a version: add an empty .up.sql, or remove it"),
            )),
        }
    }
    Ok(set)
}

/// `^([0-9]+)_(.*)\.(down|up)\.(.*)$`: version, title, whether it is a way down, extension. The title is as long as can be.
pub fn named(file: &str) -> Option<(&str, &str, bool, &str)> {
    let (version, rest) = file.split_once('_')?;
    if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (at, down) =
        [(rest.rfind(".up."), false), (rest.rfind(".down."), true)].into_iter().filter_map(|(at, down)| at.map(|at| (at, down))).max()?;
    let extension = &rest[at + if down { ".down.".len() } else { ".up.".len() }..];
    Some((version, &rest[..at], down, extension))
}
