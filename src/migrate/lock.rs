//! One runner at a time: an advisory lock on a session of its own.
//!
//! It is polled: a session that waits in `pg_advisory_lock` holds a snapshot, and CREATE INDEX CONCURRENTLY would wait for it while it
//! waits for the lock.

use std::time::{Duration, Instant};

use crate::pg::{Access, PgError, Session, Target};

/// The lock's key: the first 8 bytes of SHA-256 of `ledger.schema_history`, so that it meets no other tool's by chance.
const KEY: i64 = 0x5e71_cf76_1564_3bd1;

/// The lock, held until it is released or dropped with its session.
pub struct RunnerLock {
    session: Session,
}

/// Why the lock was not got.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(transparent)]
    Pg(#[from] PgError),
    /// Another runner has it; who, as far as the server tells.
    #[error("another run holds the migration lock{holder}; waited {waited_s} s")]
    Held { holder: String, waited_s: u64 },
}

impl RunnerLock {
    /// Asks for the lock until `patience` is over.
    pub async fn take(target: &Target, patience: Duration) -> Result<Self, LockError> {
        let session = target.session_with(Access::ReadOnly, 30_000, 5_000).await?;
        // The lock must outlast a long migration; nothing else may end this session.
        session.batch("SET idle_session_timeout = 0").await?;
        let clock = Instant::now();
        loop {
            if session.one("SELECT pg_catalog.pg_try_advisory_lock($1)", &[&KEY]).await?.get(0) {
                return Ok(Self { session });
            }
            if clock.elapsed() >= patience {
                return Err(LockError::Held { holder: holder(&session).await?, waited_s: clock.elapsed().as_secs() });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Whether it is still ours: it lasts as long as its session.
    pub async fn still_held(&self) -> Result<(), PgError> {
        self.session.one("SELECT pg_catalog.pg_backend_pid()", &[]).await.map(drop)
    }

    /// Gives the lock back.
    pub async fn release(self) -> Result<(), PgError> {
        self.session.batch("SELECT pg_catalog.pg_advisory_unlock_all()").await
    }
}

async fn holder(session: &Session) -> Result<String, PgError> {
    let rows = session
        .query(
            "SELECT l.pid, COALESCE(a.application_name, '')
             FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
               AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
               AND (l.classid::bigint << 32 | l.objid::bigint) = $1",
            &[&KEY],
        )
        .await?;
    Ok(rows.first().map(|row| format!(" (process {}, {})", row.get::<_, i32>(0), row.get::<_, String>(1))).unwrap_or_default())
}
