//! refinery: `refinery_schema_history(version, name, applied_on, checksum)`, times and checksums as text (refinery-core, `traits`).

use super::{HistoryRow, literal, number, spelled};
use crate::migrate::layout::{Migration, MigrationSet};
use crate::pg::{PgError, Session};

/// The version is as wide as the highest number of the folder needs.
pub fn create(set: &MigrationSet) -> String {
    let wide = set.migrations.iter().any(|m| m.version.parse::<i32>().is_err());
    let kind = if wide { "bigint" } else { "integer" };
    let table = set.history();
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (version {kind} PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255))"
    )
}

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let sql = format!("SELECT version::text, COALESCE(name, '')::text, applied_on::text, checksum::text FROM {}", set.history());
    let rows = session.query(&sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| HistoryRow {
            checksum: row.get(3),
            ..HistoryRow::bare(spelled(set, row.get(0)), row.get::<_, String>(1)).at(row.get(2))
        })
        .collect())
}

pub fn insert(migration: &Migration) -> String {
    format!(
        "INSERT INTO {} (version, name, applied_on, checksum) VALUES ({}, {}, \
         pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), {})",
        migration.history,
        number(&migration.version),
        literal(&migration.name),
        literal(migration.checksum.as_deref().unwrap_or_default()),
    )
}
