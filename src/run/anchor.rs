//! A head of the ledger in a table of the database under test: who rewrites the ledger file does not hold that as well.
//!
//! Off by default (`[migrations] anchor`): it is the one thing beside migrations that a run writes to its target. CE-22 writes it, under its
//! own name; its schema [`SCHEMA`] is in no fingerprint.

use crate::chain::Store;
use crate::pg::{Access, PgError, Target};

/// The schema of the table. Catalog and data fingerprints leave it out by this name.
pub const SCHEMA: &str = "ledger_anchor";

/// `size` and `checkpoint` are what `ledger verify --anchor` compares; transaction and position say where in the server's own log they stand.
const TABLE: &str = "
    CREATE SCHEMA IF NOT EXISTS ledger_anchor;
    CREATE TABLE IF NOT EXISTS ledger_anchor.head (
        ledger_id text NOT NULL,
        size bigint NOT NULL,
        checkpoint text NOT NULL,
        transaction_id text NOT NULL DEFAULT pg_catalog.pg_current_xact_id()::text,
        lsn pg_catalog.pg_lsn NOT NULL DEFAULT pg_catalog.pg_current_wal_insert_lsn(),
        written_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
        PRIMARY KEY (ledger_id, size)
    )";

const THERE: &str = "SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'ledger_anchor' AND tablename = 'head'";

/// Puts the head of all entries so far into the target. Returns its size.
pub async fn write(store: &Store, target: &Target) -> Result<u64, String> {
    let told = |error: PgError| error.message;
    let (size, id) = (store.len().map_err(|error| error.to_string())?, store.ledger_id().to_hex());
    let text = store.checkpoint_text(size).map_err(|error| error.to_string())?;
    let count = i64::try_from(size).map_err(|error| error.to_string())?;
    let session = target.session_with(Access::ReadWrite, 30_000, 5_000).await.map_err(told)?;
    // A head that the server could still lose is none.
    let durable = "SELECT pg_catalog.set_config('synchronous_commit', 'on', false)
                   WHERE pg_catalog.current_setting('synchronous_commit') = 'off'";
    session.query(durable, &[]).await.map_err(told)?;
    if session.query(THERE, &[]).await.map_err(told)?.is_empty() {
        session.batch(TABLE).await.map_err(told)?;
    }
    let insert = "INSERT INTO ledger_anchor.head (ledger_id, size, checkpoint) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    session.query(insert, &[&id, &count, &text]).await.map_err(told)?;
    Ok(size)
}

/// The largest head of a ledger that the target holds, as a checkpoint's text. `None`: none.
pub async fn read(ledger_id: &str, target: &Target) -> Result<Option<String>, PgError> {
    let session = target.session(Access::ReadOnly).await?;
    if session.query(THERE, &[]).await?.is_empty() {
        return Ok(None);
    }
    let newest = "SELECT checkpoint FROM ledger_anchor.head WHERE ledger_id = $1 ORDER BY size DESC LIMIT 1";
    match session.query(newest, &[&ledger_id]).await?.first() {
        Some(row) => Ok(Some(row.try_get(0)?)),
        None => Ok(None),
    }
}
