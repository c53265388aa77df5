//! Plain folders: `NNN_name.sql`, `NNN-name.sql`, `VNNN__name.sql`, timestamps, dates (`2026-01-08-name.sql`), dotted versions (`1.2.0_name.sql`).
//!
//! A way down is paired by number: `NNN_name.down.sql`, `NNN_name.rollback.sql`, `NNN_rollback.sql`, `rollback_NNN….sql`,
//! `NNN_name_down.sql`, `UNNN__name.sql`, or the equal name in `down/`, `rollback/`, `rollbacks/`, `revert/`. A verify script is
//! `NNN_name.verify.sql` or the equal name in `verify/`. A file may opt out of its transaction with a comment of its own
//! before the first statement: `-- no-transaction`.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, compare, walk};
use crate::migrate::split;

const DOWN_FOLDERS: [&str; 4] = ["down", "rollback", "rollbacks", "revert"];
const VERIFY_FOLDER: &str = "verify";

/// Numbers longer than this are timestamps, which have gaps by nature.
const LONGEST_SEQUENCE_NUMBER: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Up,
    Down,
    Verify,
}

#[derive(Debug, PartialEq, Eq)]
struct Named {
    role: Role,
    version: String,
    name: String,
}

/// Reads a plain folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut oddities = Vec::new();
    let mut files = 0;
    let numbers = Numbers::of(&sql_files(dir)?);
    let mut scripts: BTreeMap<Role, Vec<(Named, Script)>> = BTreeMap::new();
    for (folder, role) in folders() {
        let at = if folder.is_empty() { dir.to_path_buf() } else { dir.join(folder) };
        if !folder.is_empty() && !at.is_dir() {
            continue;
        }
        for file_name in sql_files(&at)? {
            files += 1;
            let shown = if folder.is_empty() { file_name.clone() } else { format!("{folder}/{file_name}") };
            match classify(&file_name, role, numbers) {
                Some(named) => {
                    let path = at.join(&file_name);
                    let bytes = std::fs::read(&path).map_err(|source| LayoutError::Read { path, source })?;
                    let script = Script::new(shown, bytes).without_own_transaction();
                    scripts.entry(named.role).or_default().push((named, script));
                }
                None => oddities.push(Oddity {
                    kind: OddityKind::Unnumbered,
                    subject: shown,
                    message: "has no version number in its name, so it is never run".into(),
                }),
            }
        }
    }
    let mut migrations = ups(scripts.remove(&Role::Up).unwrap_or_default(), &mut oddities);
    for role in [Role::Down, Role::Verify] {
        for (named, script) in scripts.remove(&role).unwrap_or_default() {
            pair(&mut migrations, role, &named, script, &mut oddities);
        }
    }
    gaps(&migrations, &mut oddities);
    name_order(&migrations, &mut oddities);
    Ok(MigrationSet { layout: Layout::Plain, dir: dir.to_path_buf(), migrations, oddities, files, asked_history: None })
}

fn folders() -> impl Iterator<Item = (&'static str, Role)> {
    [("", Role::Up)].into_iter().chain(DOWN_FOLDERS.map(|folder| (folder, Role::Down))).chain([(VERIFY_FOLDER, Role::Verify)])
}

fn sql_files(dir: &Path) -> Result<Vec<String>, LayoutError> {
    Ok(walk::files(dir)?.into_iter().filter(|name| walk::without(name, ".sql").is_some()).collect())
}

/// What of a name is its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    /// The digits it begins with.
    First,
    /// All groups of digits at its beginning: the first alone, a year, say, would be many files' own.
    Groups,
}

impl Numbers {
    /// As the folder's own ways up need it.
    fn of(files: &[String]) -> Self {
        let ups = |numbers| {
            let named = files.iter().filter_map(move |file| classify(file, Role::Up, numbers)).filter(|named| named.role == Role::Up);
            named.map(|named| named.version).collect::<Vec<_>>()
        };
        let distinct = |mut versions: Vec<String>| {
            versions.sort();
            versions.dedup();
            versions.len()
        };
        let (first, groups) = (ups(Self::First), ups(Self::Groups));
        let all = first.len();
        match distinct(first) < all && distinct(groups) == all {
            true => Self::Groups,
            false => Self::First,
        }
    }
}

/// The groups of digits that a name begins with, each followed by a separator or the end: `2026-01-08` of `2026-01-08-name`, `1.2.0` of
/// `1.2.0_name`, and `001` of `001_2fa`.
fn groups(stem: &str) -> &str {
    let mut end = 0;
    loop {
        let from = if end == 0 { 0 } else { end + 1 };
        let rest = stem.get(from..).unwrap_or_default();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let closed = rest[digits..].is_empty() || rest[digits..].starts_with(['.', '_', '-']);
        if digits == 0 || !closed && end > 0 {
            return &stem[..end];
        }
        end = from + digits;
        if !stem[end..].starts_with(['.', '_', '-']) {
            return &stem[..end];
        }
    }
}

/// What a file's name says; in a folder of its own, a file has the folder's role. `None`: no number.
fn classify(file_name: &str, folder_role: Role, numbers: Numbers) -> Option<Named> {
    let stem = &file_name[..file_name.len() - ".sql".len()];
    let lower = stem.to_ascii_lowercase();
    let (role, stem) = if let Some(rest) = lower.strip_prefix("rollback_") {
        (Role::Down, &stem[stem.len() - rest.len()..])
    } else if lower.starts_with('u') && lower[1..].starts_with(|c: char| c.is_ascii_digit()) {
        (Role::Down, &stem[1..])
    } else if lower.starts_with('v') && lower[1..].starts_with(|c: char| c.is_ascii_digit()) {
        (folder_role, &stem[1..])
    } else {
        (folder_role, stem)
    };
    let suffixes = [
        (".down", Role::Down),
        (".rollback", Role::Down),
        ("_rollback", Role::Down),
        ("_down", Role::Down),
        (".verify", Role::Verify),
        (".up", Role::Up),
    ];
    let lower = stem.to_ascii_lowercase();
    let (role, stem) = suffixes
        .iter()
        .find_map(|(suffix, role)| lower.strip_suffix(suffix).map(|rest| (*role, &stem[..rest.len()])))
        .unwrap_or((role, stem));
    let digits = stem.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let (version, rest) = stem.split_at(if numbers == Numbers::First { digits } else { groups(stem).len() });
    Some(Named { role, version: version.to_owned(), name: rest.trim_start_matches(['_', '-', '.']).to_owned() })
}

fn ups(scripts: Vec<(Named, Script)>, oddities: &mut Vec<Oddity>) -> Vec<Migration> {
    let mut migrations: Vec<Migration> = scripts
        .into_iter()
        .map(|(named, up)| {
            let transactional = split::runs_in_a_transaction(&up);
            Migration { transactional, ..Migration::new(Layout::Plain, named.version, named.name, up) }
        })
        .collect();
    migrations.sort_by(|a, b| compare(&a.version, &b.version).then_with(|| a.up.file.cmp(&b.up.file)));
    for pair in migrations.windows(2) {
        if compare(&pair[0].version, &pair[1].version).is_eq() {
            oddities.push(Oddity {
                kind: OddityKind::DuplicateVersion,
                subject: pair[1].up.file.clone(),
                message: format!("version {} is also claimed by {}", pair[1].version, pair[0].up.file),
            });
        }
    }
    migrations
}

fn pair(migrations: &mut [Migration], role: Role, named: &Named, script: Script, oddities: &mut Vec<Oddity>) {
    let what = if role == Role::Down { "down" } else { "verify" };
    // Among duplicates of a version the equal name is meant.
    let candidates: Vec<usize> =
        (0..migrations.len()).filter(|&index| compare(&migrations[index].version, &named.version).is_eq()).collect();
    let index = candidates.iter().copied().find(|&index| migrations[index].name == named.name).or(candidates.first().copied());
    let Some(index) = index else {
        let message = format!("is a {what} script for version {}, which has no migration", named.version);
        oddities.push(Oddity { kind: OddityKind::Unmatched, subject: script.file, message });
        return;
    };
    let migration = &mut migrations[index];
    let slot = if role == Role::Down { &mut migration.down } else { &mut migration.verify };
    match slot {
        None => *slot = Some(script),
        Some(taken) => oddities.push(Oddity {
            kind: OddityKind::Ambiguous,
            message: format!("version {} already has the {what} script {}", named.version, taken.file),
            subject: script.file,
        }),
    }
}

fn gaps(migrations: &[Migration], oddities: &mut Vec<Oddity>) {
    for pair in migrations.windows(2) {
        let (before, after) = (&pair[0].version, &pair[1].version);
        if before.len().max(after.len()) > LONGEST_SEQUENCE_NUMBER {
            continue;
        }
        let (Ok(low), Ok(high)) = (before.parse::<u32>(), after.parse::<u32>()) else { continue };
        if high > low + 1 {
            let width = before.len();
            let subject = match high - low {
                2 => format!("{:0width$}", low + 1),
                _ => format!("{:0width$}–{:0width$}", low + 1, high - 1),
            };
            oddities.push(Oddity { kind: OddityKind::Gap, subject, message: format!("missing between {before} and {after}") });
        }
    }
}

fn name_order(migrations: &[Migration], oddities: &mut Vec<Oddity>) {
    for pair in migrations.windows(2) {
        let (before, after) = (&pair[0].up.file, &pair[1].up.file);
        if before > after {
            oddities.push(Oddity {
                kind: OddityKind::NameOrder,
                subject: after.clone(),
                message: format!("sorts before {before} by name, but its number is higher: tools that sort by name run it first"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(file: &str, folder: Role) -> Option<(Role, String, String)> {
        classify(file, folder, Numbers::First).map(|named| (named.role, named.version, named.name))
    }

    #[test]
    fn every_pairing_convention_is_known() {
        let some = |role, version: &str, name: &str| Some((role, version.to_owned(), name.to_owned()));
        assert_eq!(named("001_initial_schema.sql", Role::Up), some(Role::Up, "001", "initial_schema"));
        assert_eq!(named("001-initial.sql", Role::Up), some(Role::Up, "001", "initial"));
        assert_eq!(named("V7__initial.sql", Role::Up), some(Role::Up, "7", "initial"));
        assert_eq!(named("20260108120000_initial.sql", Role::Up), some(Role::Up, "20260108120000", "initial"));
        assert_eq!(named("3.sql", Role::Up), some(Role::Up, "3", ""));
        for file in ["003_keys.down.sql", "003_keys.rollback.sql", "003_keys_down.sql", "rollback_003_keys.sql", "U003__keys.sql"] {
            assert_eq!(named(file, Role::Up), some(Role::Down, "003", "keys"), "{file}");
        }
        assert_eq!(named("003_rollback.sql", Role::Up), some(Role::Down, "003", ""));
        assert_eq!(named("rollback_003.sql", Role::Up), some(Role::Down, "003", ""));
        assert_eq!(named("003_keys.sql", Role::Down), some(Role::Down, "003", "keys"));
        assert_eq!(named("003_keys.verify.sql", Role::Up), some(Role::Verify, "003", "keys"));
        assert_eq!(named("003_keys.sql", Role::Verify), some(Role::Verify, "003", "keys"));
        assert_eq!(named("seed.sql", Role::Up), None);
        assert_eq!(named("users_001.sql", Role::Up), None);
        assert_eq!(named("ü.sql", Role::Up), None);
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn kinds(set: &MigrationSet) -> Vec<(OddityKind, &str)> {
        set.oddities.iter().map(|oddity| (oddity.kind, oddity.subject.as_str())).collect()
    }

    #[test]
    fn the_order_is_numeric_and_scripts_are_paired() {
        let dir = folder(&[
            ("2_b.sql", "select 1"),
            ("10_c.sql", "select 1"),
            ("1_a.sql", "select 1"),
            ("down/2_b.sql", "select 2"),
            ("1_a.down.sql", "select 1"),
            ("verify/10_c.sql", "select 3"),
            ("README.md", "not read"),
        ]);
        let set = read(dir.path()).unwrap();
        let versions: Vec<&str> = set.migrations.iter().map(|m| m.version.as_str()).collect();
        assert_eq!(versions, ["1", "2", "10"]);
        assert_eq!(set.migrations[1].down.as_ref().unwrap().file, "down/2_b.sql");
        assert_eq!(set.migrations[2].verify.as_ref().unwrap().file, "verify/10_c.sql");
        assert_eq!(kinds(&set), [(OddityKind::Gap, "3–9"), (OddityKind::NameOrder, "10_c.sql")]);
    }

    #[test]
    fn dates_and_dotted_versions_are_versions_where_their_first_number_is_not() {
        let versions = |files: &[&str]| {
            let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "select 1")).collect();
            let set = read(folder(&files).path()).unwrap();
            let downs = set.migrations.iter().filter(|m| m.down.is_some()).count();
            (set.migrations.into_iter().map(|m| (m.version, m.name)).collect::<Vec<_>>(), downs, set.oddities)
        };
        let some =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(version, name)| ((*version).to_owned(), (*name).to_owned())).collect::<Vec<_>>();
        let (dated, downs, odd) = versions(&["2025-12-31-a.sql", "2026-01-08-b.sql", "2026-01-15-c.sql", "2026-01-15-c.down.sql"]);
        assert_eq!((dated, downs), (some(&[("2025-12-31", "a"), ("2026-01-08", "b"), ("2026-01-15", "c")]), 1));
        assert_eq!(odd, []);
        let (dotted, _, odd) = versions(&["00.16.00_01_a.sql", "00.16.00_02_b.sql", "00.05.00_01_c.sql"]);
        assert_eq!(dotted, some(&[("00.05.00_01", "c"), ("00.16.00_01", "a"), ("00.16.00_02", "b")]));
        assert_eq!(odd, []);
        assert_eq!(versions(&["1.9.0.sql", "1.10.0.sql"]).0, some(&[("1.9.0", ""), ("1.10.0", "")]));
        // Where the first number does it, it is the version.
        assert_eq!(versions(&["001_2_a.sql", "002_2fa.sql"]).0, some(&[("001", "2_a"), ("002", "2fa")]));
        // Two files that no number tells apart stay a finding.
        assert_eq!(versions(&["3_a.sql", "003_b.sql"]).2[0].kind, OddityKind::DuplicateVersion);
    }

    #[test]
    fn duplicates_gaps_and_unmatched_scripts_are_findings() {
        let dir = folder(&[
            ("001_a.sql", ""),
            ("003_c.sql", ""),
            ("3_other.sql", ""),
            ("003_c.down.sql", ""),
            ("rollback_003.sql", ""),
            ("004_d.down.sql", ""),
            ("005_e.verify.sql", ""),
            ("seed.sql", ""),
        ]);
        let set = read(dir.path()).unwrap();
        assert_eq!(
            kinds(&set),
            [
                (OddityKind::Unnumbered, "seed.sql"),
                (OddityKind::DuplicateVersion, "3_other.sql"),
                (OddityKind::Unmatched, "004_d.down.sql"),
                (OddityKind::Ambiguous, "rollback_003.sql"),
                (OddityKind::Unmatched, "005_e.verify.sql"),
                (OddityKind::Gap, "002"),
            ]
        );
        assert_eq!(set.oddities[1].message, "version 3 is also claimed by 003_c.sql");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = MigrationSet::read(Path::new("/nonexistent/migrations"), "auto").unwrap_err();
        assert!(error.to_string().starts_with("cannot read /nonexistent/migrations: "), "{error}");
    }
}
