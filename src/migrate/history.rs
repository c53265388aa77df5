//! What a database has: the layout's own history table, read in absence too.
//!
//! Plain folders: `ledger.schema_history`, made by execution alone. A database without it is at the configured baseline, or at
//! an unknown version.

use crate::pg::{PgError, Session};

use super::layout::{Layout, Migration, compare, same};

/// One applied migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    pub version: String,
    pub name: String,
    /// Of the bytes that were run; `None` where a baseline was taken on trust.
    pub up_sha256: Option<String>,
    pub down_sha256: Option<String>,
    pub verify_sha256: Option<String>,
    /// RFC 3339 UTC.
    pub applied_at: String,
    /// The run that applied it; `baseline` for what was there before.
    pub run: String,
    pub execution_us: i64,
}

/// What is known of a database's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Its history says so; in numeric order, perhaps empty.
    History(Vec<HistoryRow>),
    /// There is no history; the configuration says where it stands.
    Baseline(String),
    /// Neither.
    Unknown,
}

impl SchemaState {
    /// The highest applied version.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::History(rows) => rows.last().map(|row| row.version.as_str()),
            Self::Baseline(version) => Some(version),
            Self::Unknown => None,
        }
    }

    /// Whether this version is applied. A baseline stands for everything up to it.
    pub fn has(&self, version: &str) -> bool {
        match self {
            Self::History(rows) => rows.iter().any(|row| same(&row.version, version)),
            Self::Baseline(baseline) => compare(version, baseline).is_le(),
            Self::Unknown => false,
        }
    }
}

/// The columns are the design's; `applied_at` has microseconds, `execution_us` is the server's measure.
const CREATE: &str = "CREATE SCHEMA IF NOT EXISTS ledger;
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

/// Reads the history; without one, falls back to the baseline. An empty history counts as none where a baseline is given.
pub async fn schema_state(session: &Session, layout: Layout, baseline: Option<&str>) -> Result<SchemaState, PgError> {
    let rows = match layout {
        Layout::Plain => plain_rows(session).await?,
    };
    Ok(match (rows, baseline) {
        (Some(rows), _) if !rows.is_empty() => SchemaState::History(rows),
        (_, Some(baseline)) => SchemaState::Baseline(baseline.to_owned()),
        (Some(rows), None) => SchemaState::History(rows),
        (None, None) => SchemaState::Unknown,
    })
}

/// The highest applied version, from history or baseline.
pub async fn schema_version(session: &Session, layout: Layout, baseline: Option<&str>) -> Result<Option<String>, PgError> {
    Ok(schema_state(session, layout, baseline).await?.version().map(str::to_owned))
}

async fn plain_rows(session: &Session) -> Result<Option<Vec<HistoryRow>>, PgError> {
    let exists = session.one("SELECT pg_catalog.to_regclass('ledger.schema_history') IS NOT NULL", &[]).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(None);
    }
    let rows = session
        .query(
            "SELECT version, name, up_sha256, down_sha256, verify_sha256,
                    pg_catalog.to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), run, execution_us
             FROM ledger.schema_history",
            &[],
        )
        .await?;
    let mut rows: Vec<HistoryRow> = rows
        .iter()
        .map(|row| HistoryRow {
            version: row.get(0),
            name: row.get(1),
            up_sha256: row.get(2),
            down_sha256: row.get(3),
            verify_sha256: row.get(4),
            applied_at: row.get(5),
            run: row.get(6),
            execution_us: row.get(7),
        })
        .collect();
    rows.sort_by(|a, b| compare(&a.version, &b.version));
    Ok(Some(rows))
}

/// Makes the history table if there is none; for everything up to the baseline it writes rows, with the digests of today's files,
/// so that later changes to them are seen.
pub async fn ensure(session: &Session, layout: Layout, migrations: &[Migration], baseline: Option<&str>) -> Result<(), PgError> {
    match layout {
        Layout::Plain => {}
    }
    // Without this test a role that may not create schemas could not even repeat a run.
    let exists = session.one("SELECT pg_catalog.to_regclass('ledger.schema_history') IS NOT NULL", &[]).await?;
    let mut sql = String::from("BEGIN READ WRITE;");
    if !exists.get::<_, bool>(0) {
        sql.push_str(CREATE);
        sql.push(';');
    }
    if let Some(baseline) = baseline {
        for migration in migrations.iter().filter(|m| compare(&m.version, baseline).is_le()) {
            sql.push_str(&insert(migration, "baseline", "0"));
            sql.push_str(" ON CONFLICT DO NOTHING;");
        }
    }
    sql.push_str("COMMIT");
    match session.batch(&sql).await {
        Ok(()) => Ok(()),
        Err(error) => {
            // The session is to be usable by whoever handles the error; if it is gone, that error is the one to tell.
            let _ = session.batch("ROLLBACK").await;
            Err(error)
        }
    }
}

/// The statement that records a migration, for the transaction of its file. `execution_us` is an SQL expression.
pub(super) fn insert(migration: &Migration, run: &str, execution_us: &str) -> String {
    let sha = |script: Option<&super::Script>| script.map_or_else(|| "NULL".to_owned(), |script| literal(&script.sha256));
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

/// The statement that takes a migration out of the history.
pub fn delete(version: &str) -> String {
    format!("DELETE FROM ledger.schema_history WHERE version = {}", literal(version))
}

/// A string literal that means the same whatever `standard_conforming_strings` a migration may have left behind.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}
