//! One connection, configured for what it is for, with its notices read and its cancel token kept.

use std::sync::{Arc, Mutex};

use tokio_postgres::types::ToSql;
use tokio_postgres::{CancelToken, Client, Row, SimpleQueryMessage};

use super::PgError;

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `default_transaction_read_only = on`.
    ReadOnly,
    /// Only for execution on the target, and for scratch databases.
    ReadWrite,
}

/// How a session is set up before first use.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// `ledger/<run>/<task>`.
    pub application_name: String,
    pub access: Access,
    /// 0: none.
    pub statement_timeout_ms: u64,
    pub lock_timeout_ms: u64,
}

/// A connection in use. Dropping it closes it.
pub struct Session {
    client: Client,
    notices: Arc<Mutex<Vec<String>>>,
    cancel: CancelToken,
    watches: bool,
}

/// Makes the server look every two seconds whether its client lives: of one that was killed it hears nothing, and would end what it does for it
/// first, with its locks held (PostgreSQL manual, `client_connection_check_interval`; since 14, where the server's system can be asked).
const WATCH: &str = "SET client_connection_check_interval = '2s'";

impl Session {
    pub(super) fn new(client: Client, notices: Arc<Mutex<Vec<String>>>) -> Self {
        let cancel = client.cancel_token();
        Self { client, notices, cancel, watches: false }
    }

    /// Asks the server to end what it does for us when we are gone. Where it cannot, the session is as good otherwise.
    pub(super) async fn watch(&mut self) {
        self.watches = self.batch(WATCH).await.is_ok();
    }

    /// What says so again after `RESET ALL`; empty where the server cannot. `scope` is `LOCAL` or `SESSION`.
    pub fn watch_again(&self, scope: &str) -> String {
        if self.watches { WATCH.replacen("SET", &format!("; SET {scope}"), 1) } else { String::new() }
    }

    /// The driver's client, for COPY, transactions and prepared statements.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The driver's client, where it must be exclusive (transactions).
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Asks by the extended protocol.
    pub async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, PgError> {
        Ok(self.client.query(sql, params).await?)
    }

    /// Asks for exactly one row.
    pub async fn one(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, PgError> {
        Ok(self.client.query_one(sql, params).await?)
    }

    /// Runs one statement; rows affected.
    pub async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, PgError> {
        Ok(self.client.execute(sql, params).await?)
    }

    /// Runs statements by the simple protocol, without their results.
    pub async fn batch(&self, sql: &str) -> Result<(), PgError> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Runs statements by the simple protocol, with rows as text and rows affected.
    pub async fn simple(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, PgError> {
        Ok(self.client.simple_query(sql).await?)
    }

    /// The severities and SQLSTATEs of notices so far, then forgotten. Their texts are not kept: they may hold row values.
    pub fn take_notices(&self) -> Vec<String> {
        self.notices.lock().map(|mut notices| std::mem::take(&mut *notices)).unwrap_or_default()
    }

    /// What cancels the running statement from elsewhere.
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }
}
