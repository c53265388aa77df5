//! From a URL to a session. Secrets live in [`ConnectSpec`] alone and are never printed.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_postgres::{AsyncMessage, Config, NoTls};

use super::PgError;
use super::session::{Access, Session, SessionOptions};

/// Where to connect, as whom, and how; the password inside is never shown.
#[derive(Clone)]
pub struct ConnectSpec {
    config: Config,
}

impl fmt::Debug for ConnectSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectSpec({})", self.shown())
    }
}

impl ConnectSpec {
    /// Reads a connection URL or a keyword/value string
    /// (PostgreSQL manual, libpq, "Connection Strings").
    pub fn parse(text: &str) -> Result<Self, PgError> {
        let config: Config = text.trim().parse().map_err(|_| PgError::other("the connection string cannot be read"))?;
        Ok(Self { config })
    }

    /// The same server and role, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        let mut config = self.config.clone();
        config.dbname(database);
        Self { config }
    }

    /// The database this connects to.
    pub fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or("postgres")
    }

    /// The role this connects as.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or("postgres")
    }

    /// The driver's own form, secrets included: for `pg` alone.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The connection that the environment describes: `DATABASE_URL`.
    pub fn from_environment() -> Result<Self, PgError> {
        match std::env::var("DATABASE_URL") {
            Ok(url) => Self::parse(&url),
            Err(_) => Err(PgError::other("DATABASE_URL is not set")),
        }
    }

    /// The password, for the redactor to learn; never to be shown.
    pub fn password(&self) -> Option<String> {
        self.config.get_password().map(|password| String::from_utf8_lossy(password).into_owned())
    }

    /// `host/database`, what production patterns are matched against.
    pub fn host_and_database(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
            Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
            None => "localhost".into(),
        };
        format!("{host}/{}", self.database())
    }

    /// The same as libpq's environment variables, password included: for the PostgreSQL tools that we start, never for arguments
    /// (PostgreSQL manual, libpq, "Environment Variables").
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                tokio_postgres::config::Host::Tcp(host) => host.clone(),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let ports: Vec<String> = self.config.get_ports().iter().map(u16::to_string).collect();
        let mut variables = vec![("PGUSER", self.user().to_owned()), ("PGDATABASE", self.database().to_owned())];
        if !hosts.is_empty() {
            variables.push(("PGHOST", hosts.join(",")));
        }
        if !ports.is_empty() {
            variables.push(("PGPORT", ports.join(",")));
        }
        if let Some(password) = self.config.get_password() {
            variables.push(("PGPASSWORD", String::from_utf8_lossy(password).into_owned()));
        }
        if let Some(options) = self.config.get_options() {
            variables.push(("PGOPTIONS", options.to_owned()));
        }
        variables
    }

    /// `database @ host:port as role`, without secrets.
    pub fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
            Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
            None => "localhost".into(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{} @ {host}:{port} as {}", self.database(), self.user())
    }

    /// Connects and prepares the session: name, timeouts, UTC, empty search path, read-only unless asked otherwise.
    pub async fn session(&self, options: &SessionOptions) -> Result<Session, PgError> {
        let mut config = self.config.clone();
        config.application_name(&options.application_name).connect_timeout(Duration::from_secs(15));
        let (client, mut connection) = config.connect(NoTls).await?;
        let notices: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = Arc::clone(&notices);
        tokio::spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notice(notice) = message
                    && let Ok(mut sink) = sink.lock()
                {
                    sink.push(format!("{} {}", notice.severity(), notice.code().code()));
                }
            }
        });
        let session = Session::new(client, notices);
        let read_only = if options.access == Access::ReadOnly { "on" } else { "off" };
        session
            .batch(&format!(
                "SET search_path = ''; SET timezone = 'UTC'; SET statement_timeout = {}; SET lock_timeout = {}; \
                 SET default_transaction_read_only = {read_only}; SET client_min_messages = warning",
                options.statement_timeout_ms, options.lock_timeout_ms
            ))
            .await?;
        Ok(session)
    }
}
