//! The database under test: who it is, and sessions on it.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio_postgres::CancelToken;

use super::session::{Access, Session, SessionOptions};
use super::{ConnectSpec, PgError};

/// What makes a database that database; pinned in a run's first entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// From `pg_control_system()`; a 64-bit number, so a string.
    pub system_identifier: String,
    pub database: String,
    pub database_oid: u32,
    /// As `server_version` says.
    pub server_version: String,
    /// As `server_version_num` says: 150018 is 15.18.
    pub server_version_num: i32,
    /// RFC 3339 UTC, the server's clock.
    pub server_time: String,
    /// `pg_current_wal_lsn()`, or empty on a standby.
    pub lsn: String,
}

/// The database under test (or a scratch database beside it).
#[derive(Clone)]
pub struct Target {
    spec: ConnectSpec,
    application_name: String,
    identity: Identity,
    /// Cancel tokens of sessions opened so far, so that Ctrl-C can end what they run.
    cancels: Arc<Mutex<Vec<CancelToken>>>,
}

impl Target {
    /// Connects once and reads the identity.
    pub async fn open(spec: ConnectSpec, application_name: &str) -> Result<Self, PgError> {
        let options = SessionOptions {
            application_name: application_name.to_owned(),
            access: Access::ReadOnly,
            statement_timeout_ms: 30_000,
            lock_timeout_ms: 5_000,
        };
        let session = spec.session(&options).await?;
        let row = session
            .one(
                "SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()), pg_catalog.current_database()::text,
                        (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
                        pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num')::int,
                        pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
                        CASE WHEN pg_catalog.pg_is_in_recovery() THEN '' ELSE pg_catalog.pg_current_wal_lsn()::text END",
                &[],
            )
            .await?;
        let identity = Identity {
            system_identifier: row.get(0),
            database: row.get(1),
            database_oid: row.get(2),
            server_version: row.get(3),
            server_version_num: row.get(4),
            server_time: row.get(5),
            lsn: row.get(6),
        };
        Ok(Self { spec, application_name: application_name.to_owned(), identity, cancels: Arc::default() })
    }

    /// The same target under the name of a task: `ledger/<run>/<task>`.
    #[must_use]
    pub fn named(&self, application_name: &str) -> Self {
        Self { application_name: application_name.to_owned(), ..self.clone() }
    }

    /// Another database of the same server, same role: a scratch copy.
    #[must_use]
    pub fn sibling(&self, database: &str) -> Self {
        let identity = Identity { database: database.to_owned(), database_oid: 0, ..self.identity.clone() };
        Self { spec: self.spec.with_database(database), identity, ..self.clone() }
    }

    /// Who this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The name its sessions carry: `ledger/<run>/<task>`.
    pub fn application_name(&self) -> &str {
        &self.application_name
    }

    /// How to reach it.
    pub fn spec(&self) -> &ConnectSpec {
        &self.spec
    }

    /// The server's major version: 15 of 150018.
    pub fn major(&self) -> i32 {
        self.identity.server_version_num / 10_000
    }

    /// A new connection with the default limits (statements 10 minutes, locks 5 seconds).
    pub async fn session(&self, access: Access) -> Result<Session, PgError> {
        self.session_with(access, 600_000, 5_000).await
    }

    /// A new connection with limits of its own, in milliseconds; 0 means none.
    pub async fn session_with(&self, access: Access, statement_timeout_ms: u64, lock_timeout_ms: u64) -> Result<Session, PgError> {
        let options = SessionOptions { application_name: self.application_name.clone(), access, statement_timeout_ms, lock_timeout_ms };
        let session = self.spec.session(&options).await?;
        if let Ok(mut cancels) = self.cancels.lock() {
            cancels.push(session.cancel_token());
        }
        Ok(session)
    }

    /// Cancels whatever statement any session of this target is running.
    pub async fn cancel_all(&self) {
        let tokens = self.cancels.lock().map(|mut cancels| std::mem::take(&mut *cancels)).unwrap_or_default();
        for token in tokens {
            // A session that is already gone cannot be cancelled, and need not be.
            let _ = self.spec.cancel(&token).await;
        }
    }
}
