//! sqlx: `_sqlx_migrations` with SHA-384 checksums and nanoseconds (sqlx-postgres, `migrate.rs`).

use super::{HistoryRow, literal, number, spelled, utc};
use crate::migrate::layout::{Migration, MigrationSet};
use crate::pg::{PgError, Session};

pub fn create(table: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (version bigint PRIMARY KEY, description text NOT NULL, \
         installed_on timestamptz NOT NULL DEFAULT pg_catalog.now(), success boolean NOT NULL, checksum bytea NOT NULL, \
         execution_time bigint NOT NULL)"
    )
}

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let sql = format!(
        "SELECT version::text, description, {}, success, pg_catalog.encode(checksum, 'hex'), execution_time FROM {}",
        utc("installed_on"),
        set.history()
    );
    let rows = session.query(&sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let version: String = row.get(0);
            if !row.get::<_, bool>(3) {
                return Err(PgError::other(format!(
                    "sqlx's history says that version {version} failed half-way. Mend the database, then remove or complete the row of \
                     {}",
                    set.history()
                )));
            }
            let row = HistoryRow {
                checksum: row.get(4),
                execution_us: row.get::<_, i64>(5) / 1_000,
                ..HistoryRow::bare(spelled(set, version), row.get::<_, String>(1)).at(row.get(2))
            };
            Ok(row)
        })
        .collect()
}

pub fn insert(migration: &Migration, execution_us: &str) -> String {
    format!(
        "INSERT INTO {} (version, description, success, checksum, execution_time) \
         VALUES ({}, {}, true, pg_catalog.decode({}, 'hex'), ({execution_us}) OPERATOR(pg_catalog.*) 1000)",
        migration.history,
        number(&migration.version),
        literal(&migration.name),
        literal(migration.checksum.as_deref().unwrap_or_default()),
    )
}
