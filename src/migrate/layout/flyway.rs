//! Flyway: `V<version>__<description>.sql`, undo `U…`, repeatable `R__<description>.sql`, baseline `B…`; `<file>.conf` beside a file.
//!
//! Version parts are separated by `.` or `_` and compared as numbers; folders are searched below. Versioned migrations run in order,
//! then the repeatable ones by description, again whenever their checksum changes. The checksum is CRC-32 over the lines without
//! their breaks. Placeholders (`${name}`) are settings of Flyway's and are not replaced here.
//! (Flyway, "Migrations", "Script Config Files"; `ChecksumCalculator`.)

use std::path::Path;

use super::{Key, Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, compare, same, walk};

enum Kind {
    Versioned,
    Undo,
    Repeatable,
    Baseline,
}

/// Reads Flyway's locations.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Flyway, dir);
    let files = walk::tree(dir)?;
    let mut undo: Vec<(String, Script)> = Vec::new();
    let mut repeatable: Vec<Migration> = Vec::new();
    let mut baselines: Vec<(String, String)> = Vec::new();
    for file in &files {
        let base = walk::base(file);
        if base.ends_with(".java") || base.ends_with(".class") {
            if named(base.split('.').next().unwrap_or(base)).is_some() {
                let message = "is a migration written in Java, which only Flyway can run: run Flyway itself (layout = \"command\"), or write it in SQL";
                set.oddities.push(Oddity::not_importable(file.as_str(), message));
            }
            continue;
        }
        let Some(stem) = base.strip_suffix(".sql") else { continue };
        set.files += 1;
        let Some((kind, version, description)) = named(stem) else {
            let message = "is not V<version>__<description>.sql, U…, R__… or B…, so Flyway skips it".into();
            set.oddities.push(Oddity { kind: OddityKind::Unnumbered, subject: file.clone(), message });
            continue;
        };
        let bytes = walk::bytes(dir, file)?;
        if let Some((line, name)) = placeholder(&bytes) {
            let message = format!(
                "Flyway replaces the placeholder {name} here by a setting: write the value, or run Flyway itself (layout = \"command\")"
            );
            set.oddities.push(Oddity::not_importable(format!("{file}:{line}"), message));
        }
        let conf = format!("{file}.conf");
        let wrapped = !(files.contains(&conf) && says_no_transaction(&walk::bytes(dir, &conf)?));
        let checksum = checksum(&bytes);
        let script = Script::new(file.as_str(), bytes).wrapped(wrapped);
        match kind {
            Kind::Versioned => {
                let migration = Migration::new(Layout::Flyway, version, description, script);
                set.migrations.push(Migration { checksum: Some(checksum), ..migration });
            }
            Kind::Undo => undo.push((version, script)),
            Kind::Repeatable => {
                let migration = Migration::new(Layout::Flyway, format!("R__{description}"), description.clone(), script);
                repeatable.push(Migration { checksum: Some(checksum), key: Key::Name(description), ..migration });
            }
            Kind::Baseline => baselines.push((version, file.clone())),
        }
    }
    set.migrations.sort_by(|a, b| compare(&a.version, &b.version).then_with(|| a.up.file.cmp(&b.up.file)));
    for (version, script) in undo {
        match set.migrations.iter_mut().find(|m| same(&m.version, &version) && m.down.is_none()) {
            Some(migration) => migration.down = Some(script),
            None => {
                let message = format!("is an undo script for version {version}, which has no migration or already an undo script");
                set.oddities.push(Oddity { kind: OddityKind::Unmatched, subject: script.file, message });
            }
        }
    }
    // On an empty database Flyway runs the latest baseline instead of everything up to it: what it makes was not examined here.
    for (version, file) in baselines {
        let message =
            format!("is a baseline: on an empty database Flyway runs it instead of all versions up to {version}; ledger runs the versions");
        set.oddities.push(Oddity { kind: OddityKind::Unmatched, subject: file, message });
    }
    repeatable.sort_by(|a, b| a.name.cmp(&b.name));
    set.migrations.extend(repeatable);
    Ok(set)
}

/// What a name (without extension) says: kind, version (dots between its parts), description (blanks for underscores).
fn named(stem: &str) -> Option<(Kind, String, String)> {
    let rest = stem.get(1..)?;
    let kind = match stem.as_bytes()[0] {
        b'V' => Kind::Versioned,
        b'U' => Kind::Undo,
        b'B' => Kind::Baseline,
        b'R' => {
            let description = rest.strip_prefix("__")?;
            return Some((Kind::Repeatable, String::new(), description.replace('_', " ")));
        }
        _ => return None,
    };
    let (version, description) = rest.split_once("__").unwrap_or((rest, ""));
    let parts = version.split(['.', '_']).all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    parts.then(|| (kind, version.replace('_', "."), description.replace('_', " ")))
}

/// The first `${name}` outside of comment lines, with its line.
fn placeholder(bytes: &[u8]) -> Option<(u64, String)> {
    walk::lines(bytes).filter(|line| !line.text.trim_start().starts_with("--")).find_map(|line| {
        let at = line.text.find("${")?;
        let end = line.text[at..].find('}')?;
        Some((line.number, line.text[at..=at + end].to_owned()))
    })
}

fn says_no_transaction(conf: &[u8]) -> bool {
    walk::lines(conf).any(|line| {
        line.text
            .split_once('=')
            .is_some_and(|(key, value)| key.trim() == "executeInTransaction" && value.trim().eq_ignore_ascii_case("false"))
    })
}

/// CRC-32 over the lines without their breaks and without the byte order mark, as a signed number.
fn checksum(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut crc = crc32fast::Hasher::new();
    // Java's readLine ends a line at LF, CR or CRLF.
    for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
        crc.update(line);
    }
    crc.finalize().cast_signed().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_flyway_reads_them() {
        let named = |stem: &str| named(stem).map(|(_, version, description)| (version, description));
        let some = |version: &str, description: &str| Some((version.to_owned(), description.to_owned()));
        assert_eq!(named("V1__Initial_setup"), some("1", "Initial setup"));
        assert_eq!(named("V2013.1.15_2__x"), some("2013.1.15.2", "x"));
        assert_eq!(named("V5_2__a__b"), some("5.2", "a  b"));
        assert_eq!(named("R__views"), some("", "views"));
        assert_eq!(named("V7"), some("7", ""));
        assert_eq!(named("Vx__y"), None);
        assert_eq!(named("R_views"), None);
    }

    #[test]
    fn the_checksum_does_not_depend_on_line_breaks() {
        assert_eq!(checksum(b"select 1;\nselect 2;\n"), checksum(b"\xef\xbb\xbfselect 1;\r\nselect 2;"));
        // CRC-32 of `select 1;`, signed.
        assert_eq!(checksum(b"select 1;\n"), crc32fast::hash(b"select 1;").cast_signed().to_string());
    }
}
