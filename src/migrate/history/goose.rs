//! goose: `goose_db_version(id, version_id, is_applied, tstamp)`; the latest row of a version decides; read and
//! never written (goose, `internal/dialect`).

use super::{HistoryRow, name_of, spelled};
use crate::migrate::layout::MigrationSet;
use crate::pg::{PgError, Session};

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let sql = format!(
        "SELECT latest.version_id::text, pg_catalog.to_char(latest.tstamp, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')
         FROM (SELECT DISTINCT ON (version_id) version_id, is_applied, tstamp FROM {} ORDER BY version_id, id DESC) AS latest
         WHERE latest.is_applied AND latest.version_id OPERATOR(pg_catalog.>) 0",
        set.history()
    );
    let rows = session.query(&sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let version = spelled(set, row.get(0));
            HistoryRow::bare(version.clone(), name_of(set, &version)).at(row.get(1))
        })
        .collect())
}
