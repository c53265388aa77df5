//! The way back as one file for psql: the down scripts, newest first, each in its transaction with its row of the history.

use crate::migrate::split::{decode, runs_in_a_transaction};
use crate::migrate::{Migration, history};

/// The file's text. A version without a down script stops it before anything below is touched.
pub fn sql(target: &str, above: &[&Migration], database: &str) -> String {
    let database = database.replace(['\n', '\r'], " ");
    let mut out = format!(
        "-- The way back of {database} to version {target}, made of the down scripts by ledger.\n\
         -- Make a fresh backup first. ledger does the same with a lock, checks and a record: ledger rollback --target-version {target}\n\
         -- Run with: psql --no-psqlrc --set ON_ERROR_STOP=1 --file rollback_script.sql\n\n\
         \\set ON_ERROR_STOP on\n"
    );
    if above.is_empty() {
        out.push_str("\n-- Nothing stands above this version.\n");
    }
    for migration in above.iter().rev() {
        let (version, name) = (&migration.version, &migration.name);
        let Some(down) = &migration.down else {
            out.push_str(&format!(
                "\n-- {version} {name}: there is no down script. The only way back from here is the pre-migration backup.\n\
                 DO $no_way_back$ BEGIN RAISE EXCEPTION 'version {version} has no down script: restore the backup'; END $no_way_back$;\n"
            ));
            break;
        };
        out.push_str(&format!("\n-- {version} {name}: {}, sha256 {}\n", down.file, down.sha256));
        match decode(&down.bytes) {
            Err(refusal) => {
                out.push_str(&format!("-- cannot be read: {}\n", refusal.message));
                out.push_str("DO $unreadable$ BEGIN RAISE EXCEPTION 'a down script cannot be read'; END $unreadable$;\n");
                break;
            }
            Ok(text) => {
                // Flyway's history is Flyway's to write.
                let forget = history::delete(migration).unwrap_or_default();
                let body = text.trim_end();
                // The line break ends a comment, the semicolon a last statement without one.
                out.push_str(&match runs_in_a_transaction(down) {
                    true => {
                        format!("BEGIN;\nSET LOCAL row_security = off;\n{body}\n;\nSET CONSTRAINTS ALL IMMEDIATE;\n{forget};\nCOMMIT;\n")
                    }
                    false => format!("SET row_security = off;\n{body}\n;\n{forget};\n"),
                });
            }
        }
    }
    out
}
