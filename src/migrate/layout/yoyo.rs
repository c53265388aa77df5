//! yoyo: `<id>.sql` and `<id>.rollback.sql`; `-- depends:` and `-- transactional:` in the comments at the top; `.py` files are code.
//!
//! Migrations run in the order of their ids, those they depend on first. `post-apply…` files run after every application.
//! (yoyo-migrations, `migrations.py`, `topologicalsort.py`.)

use std::collections::BTreeSet;
use std::path::Path;

use super::{Key, Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, numbers, walk};

struct Found {
    migration: Migration,
    depends: Vec<String>,
}

/// Reads yoyo's folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Yoyo, dir);
    let files = walk::files(dir)?;
    let mut found: Vec<Found> = Vec::new();
    for file in &files {
        if file.ends_with(".py") && file != "__init__.py" {
            let message = "is a migration written in Python, which only yoyo can run: run that instead (layout = \"command\"), or write the \
                           migration in SQL";
            set.oddities.push(Oddity::not_importable(file.as_str(), message));
            continue;
        }
        let Some(id) = file.strip_suffix(".sql") else { continue };
        set.files += 1;
        if let Some(up) = id.strip_suffix(".rollback") {
            if !files.contains(&format!("{up}.sql")) {
                let message = format!("is a way back of {up}, which has no migration");
                set.oddities.push(Oddity { kind: OddityKind::Unmatched, subject: file.clone(), message });
            }
            continue;
        }
        if id.starts_with("post-apply") {
            let message = "runs after every application of yoyo's, which ledger does not do: run yoyo instead (layout = \"command\")";
            set.oddities.push(Oddity::not_importable(file.as_str(), message));
            continue;
        }
        let bytes = walk::bytes(dir, file)?;
        let wrapped = !header(&bytes, "transactional").is_some_and(|value| value.eq_ignore_ascii_case("false"));
        let depends = header(&bytes, "depends").map(|ids| ids.split_whitespace().map(str::to_owned).collect()).unwrap_or_default();
        let mut migration = Migration::new(Layout::Yoyo, id, id, Script::new(file.as_str(), bytes).wrapped(wrapped));
        migration.name = id[numbers::leading(id).len()..].trim_start_matches(['_', '-', '.']).to_owned();
        let back = format!("{id}.rollback.sql");
        if files.contains(&back) {
            migration.down = Some(Script::new(&*back, walk::bytes(dir, &back)?).wrapped(wrapped));
        }
        migration.key = Key::Name(id.to_owned());
        found.push(Found { migration, depends });
    }
    order(found, &mut set);
    numbers::number(&mut set.migrations);
    Ok(set)
}

/// Takes, again and again, the first by id whose dependencies are taken.
fn order(mut found: Vec<Found>, set: &mut MigrationSet) {
    let all: BTreeSet<String> = found.iter().map(|one| one.migration.version.clone()).collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    found.retain(|one| match one.depends.iter().find(|id| !all.contains(*id)) {
        None => true,
        Some(missing) => {
            let message = format!("depends on {missing}, which is no migration of the folder: yoyo stops at it");
            set.oddities.push(Oddity::not_importable(one.migration.up.file.as_str(), message));
            false
        }
    });
    while !found.is_empty() {
        let Some(next) = found.iter().position(|one| one.depends.iter().all(|id| taken.contains(id))) else {
            for one in found {
                let message = format!("depends on {} in a circle, or on what cannot be run: yoyo stops at it", one.depends.join(", "));
                set.oddities.push(Oddity::not_importable(one.migration.up.file, message));
            }
            return;
        };
        let one = found.remove(next);
        taken.insert(one.migration.version.clone());
        set.migrations.push(one.migration);
    }
}

/// The value of `-- key: value` in the comments before the first statement.
fn header(bytes: &[u8], key: &str) -> Option<String> {
    for line in walk::lines(bytes) {
        let text = line.text.trim();
        let Some(comment) = text.strip_prefix("--") else {
            if text.is_empty() {
                continue;
            }
            return None;
        };
        if let Some((name, value)) = comment.split_once(':')
            && name.trim() == key
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

/// Whether a file has a header of yoyo's.
pub fn speaks(bytes: &[u8]) -> bool {
    header(bytes, "depends").is_some() || header(bytes, "transactional").is_some()
}
