//! graphile-migrate: `committed/NNNNNN[-slug].sql`, each with `--! Previous:` and `--! Hash:` at its top, an empty line, and its body.
//!
//! The hash is SHA-1 over the hash before and the body; graphile-migrate refuses a file whose hash is another, unless it says
//! `AllowInvalidHash`. `--! no-transaction` as the body's first line opts out. There is no way down. `current.sql` is work in progress.
//! (graphile-migrate, `migration.ts`, `hash.ts`.)

use std::path::Path;

use sha1::{Digest, Sha1};

use super::{Key, Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, compare, walk};

/// Reads `migrations`, whose files are in `committed`; or that folder itself.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::GraphileMigrate, dir);
    let prefix = if dir.join("committed").is_dir() { "committed/" } else { "" };
    let placeholders = placeholders(dir);
    for base in walk::files(&dir.join(prefix))? {
        let file = format!("{prefix}{base}");
        if walk::without(&base, ".sql").is_none() {
            continue;
        }
        set.files += 1;
        let Some((version, name)) = named(&base) else {
            let message = "is not <number>[-slug].sql, so graphile-migrate skips it".into();
            set.oddities.push(Oddity { kind: OddityKind::Unnumbered, subject: file, message });
            continue;
        };
        let bytes = walk::bytes(dir, &file)?;
        match committed(&bytes) {
            Err((line, message)) => set.oddities.push(Oddity::not_importable(format!("{file}:{line}"), message)),
            Ok(committed) => {
                let body = String::from_utf8_lossy(&bytes[committed.body..]);
                if let Some((line, placeholder)) = uses(&bytes, committed.body, &placeholders) {
                    let message = format!(
                        "graphile-migrate replaces {placeholder} here by a setting: write the value, or run graphile-migrate instead (layout = \"command\")"
                    );
                    set.oddities.push(Oddity::not_importable(format!("{file}:{line}"), message));
                }
                if !committed.allow_invalid_hash && hash(&body, committed.previous.as_deref()) != committed.hash {
                    let message = "its body is not the one whose hash it carries, so graphile-migrate refuses it: restore the file, or say `--! AllowInvalidHash` at its top";
                    set.oddities.push(Oddity::not_importable(file.as_str(), message));
                }
                let first = body.trim_start().lines().next().unwrap_or_default();
                let wrapped = !first.strip_prefix("--!").is_some_and(|rest| rest.trim_start().starts_with("no-transaction"));
                let script = Script::part(file.as_str(), &bytes, committed.body..bytes.len()).wrapped(wrapped);
                let migration = Migration::new(Layout::GraphileMigrate, version, name, script);
                let key = Key::Hashed { hash: committed.hash.clone(), previous: committed.previous, file: format!("{version}.sql") };
                set.migrations.push(Migration { key, checksum: Some(committed.hash), ..migration });
            }
        }
    }
    set.migrations.sort_by(|a, b| compare(&a.version, &b.version).then_with(|| a.up.file.cmp(&b.up.file)));
    chain(&mut set);
    if !prefix.is_empty() {
        let current = walk::tree(dir)?.into_iter().filter(|file| file == "current.sql" || file.starts_with("current/"));
        for file in current.filter(|file| file.ends_with(".sql")) {
            let text = walk::bytes(dir, &file)?;
            if crate::migrate::split::Survey::of(&text).statements > 0 {
                let message = "is work in progress, which is not a migration before `graphile-migrate commit`".into();
                set.oddities.push(Oddity { kind: OddityKind::Unnumbered, subject: file, message });
            }
        }
    }
    Ok(set)
}

fn chain(set: &mut MigrationSet) {
    let mut before: Option<String> = None;
    for migration in &set.migrations {
        if let Key::Hashed { hash, previous, .. } = &migration.key {
            if *previous != before {
                let message = "its `Previous` is not the hash of the file before it: graphile-migrate refuses the folder";
                set.oddities.push(Oddity::not_importable(format!("{}:1", migration.up.file), message));
            }
            before = Some(hash.clone());
        }
    }
}

/// `^([0-9]+)(-[-_a-zA-Z0-9]*)?\.sql$`.
fn named(base: &str) -> Option<(&str, &str)> {
    let stem = base.strip_suffix(".sql")?;
    let digits = stem.bytes().take_while(u8::is_ascii_digit).count();
    let (version, slug) = stem.split_at(digits);
    let name = if slug.is_empty() { "" } else { slug.strip_prefix('-')? };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (digits > 0 && name.chars().all(plain)).then_some((version, name))
}

struct Committed {
    hash: String,
    previous: Option<String>,
    allow_invalid_hash: bool,
    /// Where the body begins.
    body: usize,
}

fn committed(bytes: &[u8]) -> Result<Committed, (u64, String)> {
    let (mut hash, mut previous, mut allow_invalid_hash) = (None, None, false);
    for line in walk::lines(bytes) {
        if let Some((key, value)) = header(line.text) {
            match key {
                "Previous" => previous = Some(value.to_owned()),
                "Hash" => hash = Some(value.to_owned()),
                "AllowInvalidHash" => allow_invalid_hash = true,
                _ => {}
            }
            continue;
        }
        if !line.text.is_empty() {
            return Err((line.number, "there must be an empty line after the `--!` header lines".into()));
        }
        let Some(previous) = previous else { return Err((1, "there is no `--! Previous:` line, which graphile-migrate requires".into())) };
        let Some(hash) = hash else { return Err((1, "there is no `--! Hash:` line, which graphile-migrate requires".into())) };
        let previous = (previous != "-").then_some(previous);
        return Ok(Committed { hash, previous, allow_invalid_hash, body: line.range.end });
    }
    Err((1, "there is nothing after the `--!` header lines".into()))
}

fn header(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("--! ")?;
    let (key, value) = rest.split_once(':').unwrap_or((rest, ""));
    let word = key.starts_with(|c: char| c.is_ascii_uppercase()) && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word.then(|| (key, value.trim()))
}

fn hash(body: &str, previous: Option<&str>) -> String {
    let text = format!("{}\n{}", previous.unwrap_or_default(), body.trim());
    format!("sha1:{}", hex::encode(Sha1::digest(format!("{}\n", text.trim()))))
}

/// The placeholders that `.gmrc` names, and the two that there always are.
fn placeholders(dir: &Path) -> Vec<String> {
    let mut names = vec![":DATABASE_NAME".to_owned(), ":DATABASE_OWNER".to_owned()];
    let settings = dir.ancestors().take(3).map(|folder| folder.join(".gmrc")).find_map(|path| std::fs::read_to_string(path).ok());
    let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    for quoted in settings.unwrap_or_default().split(['"', '\'']) {
        if quoted.strip_prefix(':').is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(word)) {
            names.push(quoted.to_owned());
        }
    }
    names
}

fn uses(bytes: &[u8], body: usize, placeholders: &[String]) -> Option<(u64, String)> {
    walk::lines(bytes).filter(|line| line.range.start >= body).find_map(|line| {
        let used = placeholders.iter().find(|name| {
            line.text.match_indices(name.as_str()).any(|(at, _)| {
                let after = line.text[at + name.len()..].chars().next();
                !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
            })
        })?;
        Some((line.number, used.clone()))
    })
}

/// Whether a file has a header of graphile-migrate's.
pub fn speaks(bytes: &[u8]) -> bool {
    walk::lines(bytes).next().is_some_and(|line| header(line.text).is_some_and(|(key, _)| key == "Previous"))
}
