//! Atlas: `atlas_schema_revisions`, read and never written (Atlas, `cmd/atlas/internal/migrate/ent/schema`).

use super::{HistoryRow, spelled, utc};
use crate::migrate::layout::MigrationSet;
use crate::pg::{PgError, Session};

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    // A version that begins with a dot is a note of Atlas's own.
    let sql = format!(
        "SELECT version::text, description::text, applied::pg_catalog.int8, total::pg_catalog.int8, {}, execution_time::pg_catalog.int8, hash::text
         FROM {} WHERE pg_catalog.left(version::text, 1) OPERATOR(pg_catalog.<>) '.' ORDER BY version",
        utc("executed_at"),
        set.history()
    );
    let rows = session.query(&sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let (version, applied, total): (String, i64, i64) = (row.get(0), row.get(2), row.get(3));
            if applied < total {
                return Err(PgError::other(format!(
                    "Atlas's history says that version {version} stopped after {applied} of {total} statements. Let Atlas finish it, or mend the \
                     database and `atlas migrate set` the version it is at"
                )));
            }
            let bare = HistoryRow::bare(spelled(set, version), row.get::<_, String>(1)).at(row.get(4));
            let checksum = row.get::<_, Option<String>>(6).map(|hash| hash.trim_start_matches("h1:").to_owned()).filter(|hash| !hash.is_empty());
            // Nanoseconds there.
            Ok(HistoryRow { checksum, execution_us: row.get::<_, i64>(5) / 1_000, ..bare })
        })
        .collect()
}
