//! The application as a client: its role, its settings, the parameters of its queries, the sessions that it opens.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::measure::Options;
use super::workload::Query;
use crate::pg::{Access, PgError, Session, Target};

/// A client of the application: role, settings and limits of each of its sessions.
pub struct Client {
    role: Option<String>,
    settings: Vec<(String, String)>,
    /// Of each statement.
    pub timeout: Duration,
}

impl Client {
    /// The client's role and settings. Role and database settings of the application's role apply as if it had logged in.
    pub async fn of(session: &Session, options: &Options) -> Result<Self, PgError> {
        let mut settings: BTreeMap<String, String> = BTreeMap::new();
        // A session of ours has an empty search_path; a client has its role's, or the server's.
        let row = session.one("SELECT boot_val FROM pg_catalog.pg_settings WHERE name = 'search_path'", &[]).await?;
        settings.insert("search_path".into(), row.try_get(0)?);
        if let Some(role) = &options.role {
            let exists = session.query("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1", &[role]).await?;
            if exists.is_empty() {
                return Err(PgError::other(format!("the role {role} of [performance] does not exist")));
            }
            let rows = session
                .query(
                    "SELECT pg_catalog.split_part(entry, '=', 1), pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1)
                       FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole,
                            LATERAL pg_catalog.unnest(s.setconfig) AS entry
                      WHERE r.rolname = $1 AND s.setdatabase = 0",
                    &[role],
                )
                .await?;
            for row in rows {
                settings.insert(row.try_get(0)?, row.try_get(1)?);
            }
        }
        // Names in the configuration and in `-- param:` mean what they mean to the client.
        session.query("SELECT pg_catalog.set_config('search_path', $1, false)", &[&settings["search_path"]]).await?;
        // The plan must be that of the very parameters, on both sides alike.
        settings.insert("plan_cache_mode".into(), "force_custom_plan".into());
        for (name, value) in &options.settings {
            let value = match value.strip_prefix("sql:") {
                None => value.clone(),
                Some(expression) => one_text(session, expression.trim())
                    .await?
                    .ok_or_else(|| PgError::other(format!("the setting {name} of [performance] evaluates to nothing")))?,
            };
            settings.insert(name.clone(), value);
        }
        let timeout = options.budget.clamp(Duration::from_secs(4), Duration::from_secs(120)) / 4;
        // Ours is the limit that holds.
        settings.retain(|name, _| name != "statement_timeout" && name != "idle_in_transaction_session_timeout");
        Ok(Self { role: options.role.clone(), settings: settings.into_iter().collect(), timeout })
    }

    /// A fresh connection as the application has it, in a transaction.
    pub async fn connect(&self, target: &Target) -> Result<Session, PgError> {
        let timeout = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let session = target.session_with(Access::ReadWrite, timeout, 5_000).await?;
        for (name, value) in &self.settings {
            session.query("SELECT pg_catalog.set_config($1, $2, false)", &[name, value]).await?;
        }
        if let Some(role) = &self.role {
            let row = session.one("SELECT pg_catalog.format('SET ROLE %I', $1::text)", &[role]).await?;
            session.batch(row.try_get(0)?).await?;
        }
        session.batch("BEGIN").await?;
        Ok(session)
    }
}

/// A parameter as text; the server reads it as whatever type the statement wants.
#[derive(Clone, Debug)]
pub struct TextParam(pub Option<String>);

impl ToSql for TextParam {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// The single value of a query, as text; `None`: no row, or NULL.
async fn one_text(session: &Session, sql: &str) -> Result<Option<String>, PgError> {
    let rows = session.query(&format!("SELECT ledger_value::text FROM ({sql}) AS ledger_query (ledger_value)"), &[]).await?;
    match rows.as_slice() {
        [] => Ok(None),
        [row] => Ok(row.try_get(0)?),
        _ => Err(PgError::other("more than one row where one value is wanted")),
    }
}

/// The parameters of a query: each expression evaluated once, by the connecting role.
pub async fn parameters(session: &Session, query: &Query) -> Result<Vec<TextParam>, PgError> {
    let mut values = Vec::with_capacity(query.params.len());
    for expression in &query.params {
        values.push(TextParam(one_text(session, &format!("SELECT {expression}")).await?));
    }
    Ok(values)
}

/// As the protocol takes them.
pub fn borrowed(values: &[TextParam]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}
