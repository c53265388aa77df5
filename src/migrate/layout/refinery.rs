//! refinery: `V<number>__<name>.sql`, or `U…` for one that may be applied out of order (and is no undo script, as it is in Flyway).
//!
//! Folders are searched below; `.rs` files are code and cannot be imported. Every file runs in a transaction, and there is no way down.
//! The checksum is SipHash-1-3 over name, number and text. (refinery-core, `util.rs`, `runner.rs`.)

use std::hash::{Hash, Hasher};
use std::path::Path;

use siphasher::sip::SipHasher13;

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, compare, walk};

/// Reads refinery's folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Refinery, dir);
    for file in walk::tree(dir)? {
        let base = walk::base(&file);
        let (Some(stem), sql) = (base.strip_suffix(".sql").or_else(|| base.strip_suffix(".rs")), base.ends_with(".sql")) else { continue };
        let Some((version, name)) = named(stem) else {
            if sql {
                set.files += 1;
                let message = "is not V<number>__name.sql, so refinery skips it".into();
                set.oddities.push(Oddity { kind: OddityKind::Unnumbered, subject: file, message });
            }
            continue;
        };
        set.files += 1;
        if !sql {
            let message = "is a migration written in Rust, which only the team's own program can run: run the program instead (layout = \
                           \"command\"), or write the migration in SQL";
            set.oddities.push(Oddity::not_importable(file, message));
            continue;
        }
        let Ok(number) = version.parse::<i64>() else {
            set.oddities
                .push(Oddity::not_importable(file.as_str(), format!("`{version}` is no whole number: refinery stops at it; rename it")));
            continue;
        };
        let bytes = walk::bytes(dir, &file)?;
        let checksum = checksum(name, number, &bytes);
        let migration = Migration::new(Layout::Refinery, version, name, Script::new(file.as_str(), bytes));
        set.migrations.push(Migration { checksum, ..migration });
    }
    set.migrations.sort_by(|a, b| compare(&a.version, &b.version).then_with(|| a.up.file.cmp(&b.up.file)));
    Ok(set)
}

/// `^([U|V])(\d+(?:\.\d+)?)__(\w+)`: number and name.
pub fn named(stem: &str) -> Option<(&str, &str)> {
    let (version, name) = stem.strip_prefix(['U', 'V', '|'])?.split_once("__")?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = version.split_once('.').unwrap_or((version, "0"));
    let word = |c: char| c.is_alphanumeric() || c == '_';
    (digits(whole) && digits(fraction) && !name.is_empty() && name.chars().all(word)).then_some((version, name))
}

/// Numbers that fit are 32 bits wide in refinery unless it is built otherwise.
fn checksum(name: &str, number: i64, bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut hasher = SipHasher13::new();
    name.hash(&mut hasher);
    match i32::try_from(number) {
        Ok(number) => number.hash(&mut hasher),
        Err(_) => number.hash(&mut hasher),
    }
    text.hash(&mut hasher);
    Some(hasher.finish().to_string())
}
