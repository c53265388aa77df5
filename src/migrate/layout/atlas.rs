//! Atlas: `<version>_<name>.sql` files beside an `atlas.sum` that holds a hash of each.
//!
//! A hash covers the file and all before it, so that an edited file is seen from the sum alone. Directives stand in comments at the top:
//! `-- atlas:txmode none` opts out of the transaction; checkpoints, archives and other delimiters are not read.
//! (Atlas, `sql/migrate/dir.go`, "Migration Directory Integrity File".)

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, walk};

const SUM: &str = "atlas.sum";

/// Reads Atlas's folder.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Atlas, dir);
    let sum = walk::bytes(dir, SUM)?;
    let sums: Vec<(String, String)> =
        walk::lines(&sum).filter_map(|line| line.text.rsplit_once(" h1:").map(|(file, hash)| (file.to_owned(), hash.to_owned()))).collect();
    let mut running = Sha256::new();
    for file in walk::files(dir)?.into_iter().filter(|file| file.ends_with(".sql")) {
        set.files += 1;
        let bytes = walk::bytes(dir, &file)?;
        let directives: Vec<(u64, String)> = directives(&bytes).collect();
        running.update(&file);
        if directives.iter().any(|(_, directive)| directive.starts_with("sum ignore")) {
            continue;
        }
        running.update(&bytes);
        let hash = base64(&running.clone().finalize());
        match sums.iter().find(|(named, _)| *named == file) {
            Some((_, recorded)) if *recorded == hash => {}
            Some(_) => {
                let message = format!(
                    "is not what {SUM} was made from, nor is what stands before it: Atlas stops here; `atlas migrate hash` if that is meant"
                );
                set.oddities.push(Oddity::not_importable(&*file, message));
            }
            None => {
                let message = format!("is not in {SUM}: Atlas stops here; `atlas migrate hash` adds it");
                set.oddities.push(Oddity::not_importable(&*file, message));
            }
        }
        for (line, directive) in &directives {
            let word = directive.split_whitespace().next().unwrap_or_default();
            if matches!(word, "delimiter" | "checkpoint" | "txtar" | "import" | "assert") {
                let message = format!("`atlas:{word}` is read by Atlas and not here: give it its own run (layout = \"command\")");
                set.oddities.push(Oddity::not_importable(format!("{file}:{line}"), message));
            }
        }
        let digits = file.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            let message = "has no number at the beginning of its name".into();
            set.oddities.push(Oddity { kind: OddityKind::Unnumbered, subject: file, message });
            continue;
        }
        let wrapped = !directives.iter().any(|(_, directive)| directive.starts_with("txmode none"));
        let name = file[digits..].trim_start_matches('_').trim_end_matches(".sql").to_owned();
        let mut migration = Migration::new(Layout::Atlas, &file[..digits], name, Script::new(&*file, bytes).wrapped(wrapped));
        migration.checksum = Some(hash);
        set.migrations.push(migration);
    }
    Ok(set)
}

/// `-- atlas:…` comments at the top of a file, with their lines.
fn directives(bytes: &[u8]) -> impl Iterator<Item = (u64, String)> {
    walk::lines(bytes)
        .take_while(|line| line.text.trim().is_empty() || line.text.trim_start().starts_with("--"))
        .filter_map(|line| Some((line.number, line.text.trim_start().strip_prefix("--")?.trim_start().strip_prefix("atlas:")?.to_owned())))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Whether this folder is Atlas's.
pub fn is_here(dir: &Path) -> bool {
    dir.join(SUM).is_file()
}
