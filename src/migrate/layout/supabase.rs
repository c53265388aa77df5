//! Supabase CLI: `supabase/migrations/<digits>_<name>.sql`, each file whole, no way down.
//!
//! The version is the digits, normally a UTC timestamp of 14. Files are listed by name; a file of another form is skipped with a
//! message, and so is a first `…_init.sql` from before 2021-12-09. Statements that cannot share a transaction are run alone.
//! (Supabase CLI, `pkg/migration/list.go`, `file.go`.)

use std::path::Path;

use crate::migrate::history::statements_digest;
use crate::migrate::split::decode;

use super::{Layout, LayoutError, Migration, MigrationSet, Oddity, OddityKind, Script, walk};

/// Dumps by old versions of the CLI, which it leaves out itself.
const OLD_INIT: &str = "20211209000000";

/// Reads `supabase/migrations`.
pub fn read(dir: &Path) -> Result<MigrationSet, LayoutError> {
    let mut set = MigrationSet::empty(Layout::Supabase, dir);
    for (index, file) in walk::files(dir)?.into_iter().filter(|file| file.ends_with(".sql")).enumerate() {
        set.files += 1;
        let Some((version, name)) = named(&file) else {
            set.oddities.push(Oddity {
                kind: OddityKind::Unnumbered,
                subject: file,
                message: "is not <timestamp>_name.sql, so Supabase skips it".into(),
            });
            continue;
        };
        if index == 0 && name == "init" && version < OLD_INIT {
            continue;
        }
        let up = Script::new(&*file, walk::bytes(dir, &file)?);
        let checksum = decode(&up.bytes).ok().map(statements_digest);
        set.migrations.push(Migration { checksum, ..Migration::new(Layout::Supabase, version, name, up) });
    }
    Ok(set)
}

/// `<digits>_<name>.sql`.
pub fn named(file: &str) -> Option<(&str, &str)> {
    let (version, name) = file.strip_suffix(".sql")?.split_once('_')?;
    (!version.is_empty() && version.bytes().all(|b| b.is_ascii_digit())).then_some((version, name))
}
