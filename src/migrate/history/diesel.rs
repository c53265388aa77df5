//! diesel: `__diesel_schema_migrations(version, run_on)` (diesel, `setup_migration_table.sql`).

use super::{HistoryRow, literal, name_of, spelled};
use crate::migrate::layout::{Migration, MigrationSet};
use crate::pg::{PgError, Session};

pub fn create(table: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (version varchar(50) PRIMARY KEY NOT NULL, run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)"
    )
}

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let sql = format!("SELECT version::text, pg_catalog.to_char(run_on, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') FROM {}", set.history());
    let rows = session.query(&sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let version = spelled(set, row.get(0));
            HistoryRow::bare(version.clone(), name_of(set, &version)).at(row.get(1))
        })
        .collect())
}

pub fn insert(migration: &Migration) -> String {
    format!("INSERT INTO {} (version) VALUES ({})", migration.history, literal(&migration.version))
}
