//! dbmate: `schema_migrations(version)`, one row per applied file (dbmate, `pkg/driver/postgres`).

use super::{HistoryRow, literal, name_of, spelled};
use crate::migrate::layout::{Migration, MigrationSet};
use crate::pg::{PgError, Session};

pub fn create(table: &str) -> String {
    format!("CREATE TABLE IF NOT EXISTS {table} (version character varying NOT NULL PRIMARY KEY)")
}

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let rows = session.query(&format!("SELECT version::text FROM {}", set.history()), &[]).await?;
    let versions = rows.iter().map(|row| spelled(set, row.get(0)));
    Ok(versions.map(|version| HistoryRow::bare(version.clone(), name_of(set, &version))).collect())
}

pub fn insert(migration: &Migration) -> String {
    format!("INSERT INTO {} (version) VALUES ({})", migration.history, literal(&migration.version))
}
