//! graphile-migrate: `graphile_migrate.migrations(hash, previous_hash, filename, date)` (graphile-migrate, `migration.ts`).

use super::{HistoryRow, literal, utc};
use crate::migrate::layout::{Key, Migration, MigrationSet};
use crate::pg::{PgError, Session};

pub const CREATE: &str = "CREATE SCHEMA IF NOT EXISTS graphile_migrate;
CREATE TABLE IF NOT EXISTS graphile_migrate.migrations (hash text PRIMARY KEY, previous_hash text REFERENCES graphile_migrate.migrations,
    filename text NOT NULL, date timestamptz NOT NULL DEFAULT pg_catalog.now());
CREATE TABLE IF NOT EXISTS graphile_migrate.current (filename text PRIMARY KEY DEFAULT 'current.sql', content text NOT NULL,
    date timestamptz NOT NULL DEFAULT pg_catalog.now())";

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let sql = format!("SELECT filename, hash, {} FROM {}", utc("date"), set.history());
    let rows = session.query(&sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let filename: String = row.get(0);
            let version = filename.trim_end_matches(".sql").to_owned();
            let version = super::spelled(set, version);
            HistoryRow { checksum: row.get(1), ..HistoryRow::bare(version.clone(), super::name_of(set, &version)).at(row.get(2)) }
        })
        .collect())
}

pub fn insert(migration: &Migration) -> String {
    let Key::Hashed { hash, previous, file } = &migration.key else { return String::new() };
    let previous = previous.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    let table = &migration.history;
    format!("INSERT INTO {table} (hash, previous_hash, filename) VALUES ({}, {previous}, {})", literal(hash), literal(file))
}

pub fn delete(migration: &Migration) -> String {
    let Key::Hashed { hash, .. } = &migration.key else { return String::new() };
    format!("DELETE FROM {} WHERE hash = {}", migration.history, literal(hash))
}
