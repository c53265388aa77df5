//! golang-migrate: `schema_migrations(version, dirty)`, one row: everything up to it is applied; read and never
//! written (golang-migrate, `database/postgres`).

use super::{HistoryRow, name_of, spelled};
use crate::migrate::layout::{MigrationSet, compare};
use crate::pg::{PgError, Session};

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let rows = session.query(&format!("SELECT version::text, dirty FROM {} LIMIT 1", set.history()), &[]).await?;
    let Some(row) = rows.first() else { return Ok(Vec::new()) };
    let (version, dirty): (String, bool) = (row.get(0), row.get(1));
    if dirty {
        return Err(PgError::other(format!(
            "golang-migrate's history says that version {version} is dirty: it failed half-way. Mend the database, then `migrate force` \
             the version it is at"
        )));
    }
    let mut rows: Vec<HistoryRow> = set
        .migrations
        .iter()
        .filter(|m| compare(&m.version, &version).is_le())
        .map(|m| HistoryRow::bare(m.version.as_str(), m.name.as_str()))
        .collect();
    let last = spelled(set, version);
    if !rows.iter().any(|row| row.version == last) {
        rows.push(HistoryRow::bare(last.clone(), name_of(set, &last)));
    }
    Ok(rows)
}
