//! `ledger.schema_history`: our own, for folders that no tool keeps a history of.

use super::{HistoryRow, literal, utc};
use crate::migrate::layout::{Migration, MigrationSet, Script};
use crate::pg::{PgError, Session};

/// The columns are the design's; `applied_at` has microseconds, `execution_us` is the server's measure.
pub const CREATE: &str = "CREATE SCHEMA IF NOT EXISTS ledger;
CREATE TABLE IF NOT EXISTS ledger.schema_history (
    version text PRIMARY KEY,
    name text NOT NULL,
    up_sha256 text,
    down_sha256 text,
    verify_sha256 text,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    run text NOT NULL,
    execution_us bigint NOT NULL
);
COMMENT ON TABLE ledger.schema_history IS 'Applied migrations, written by ledger in the transaction of each file'";

pub async fn rows(session: &Session, _set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let sql = format!(
        "SELECT version, name, up_sha256, down_sha256, verify_sha256, {}, run, execution_us FROM ledger.schema_history",
        utc("applied_at")
    );
    let rows = session.query(&sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| HistoryRow {
            version: row.get(0),
            name: row.get(1),
            up_sha256: row.get(2),
            down_sha256: row.get(3),
            verify_sha256: row.get(4),
            checksum: None,
            applied_at: row.get(5),
            run: row.get(6),
            execution_us: row.get(7),
        })
        .collect())
}

pub fn insert(migration: &Migration, run: &str, execution_us: &str) -> String {
    let sha = |script: Option<&Script>| script.map_or_else(|| "NULL".to_owned(), |script| literal(&script.sha256));
    format!(
        "INSERT INTO ledger.schema_history (version, name, up_sha256, down_sha256, verify_sha256, run, execution_us) \
         VALUES ({}, {}, {}, {}, {}, {}, {execution_us})",
        literal(&migration.version),
        literal(&migration.name),
        sha(Some(&migration.up)),
        sha(migration.down.as_ref()),
        sha(migration.verify.as_ref()),
        literal(run),
    )
}
