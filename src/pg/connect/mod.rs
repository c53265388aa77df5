//! From a URL to a session. Secrets live in [`ConnectSpec`] alone and are never printed.
//!
//! The driver reads no variable, no file and only some of libpq's keywords, so [`text`], [`files`] and [`resolve`] do, and [`tls`] holds what the
//! modes of TLS mean.

mod files;
mod resolve;
mod text;
mod tls;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, CancelToken, Config, Connection, NoTls};

use super::session::{Access, Session, SessionOptions};
use super::{PgError, PgErrorKind};
pub use resolve::{Resolved, Sources};
use text::Keywords;
use tls::{Mode, Roots};

/// Where to connect, as whom, and how; the password inside is never shown.
#[derive(Clone)]
pub struct ConnectSpec {
    config: Config,
    mode: Mode,
    roots: Roots,
    /// Why a password file was not used, for the moment when the password is missed.
    note: Option<String>,
}

impl fmt::Debug for ConnectSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectSpec({})", self.shown())
    }
}

/// The driver's form of a complete set of keywords.
fn build(keywords: &Keywords, mode: Mode, roots: Roots, note: Option<String>) -> Result<ConnectSpec, PgError> {
    let bad = |key: &str| PgError::of_kind(PgErrorKind::Setting, format!("`{key}` of the connection cannot be used"));
    let mut config = Config::new();
    let get = |key: &str| keywords.get(key).map(String::as_str);
    for host in get("host").unwrap_or("localhost").split(',') {
        config.host(if host.is_empty() { "localhost" } else { host });
    }
    for port in get("port").unwrap_or("5432").split(',') {
        config.port(if port.is_empty() { 5432 } else { port.parse().map_err(|_| bad("port"))? });
    }
    for address in get("hostaddr").iter().flat_map(|all| all.split(',')) {
        config.hostaddr(address.parse().map_err(|_| bad("hostaddr"))?);
    }
    config.user(get("user").unwrap_or("postgres")).dbname(get("dbname").unwrap_or("postgres"));
    if let Some(password) = get("password") {
        config.password(password);
    }
    if let Some(options) = get("options") {
        config.options(options);
    }
    let seconds: u64 = get("connect_timeout").map_or(Ok(15), str::parse).map_err(|_| bad("connect_timeout"))?;
    if seconds > 0 {
        config.connect_timeout(Duration::from_secs(seconds));
    }
    match get("channel_binding") {
        None | Some("prefer") => {}
        Some("disable") => _ = config.channel_binding(ChannelBinding::Disable),
        Some("require") => _ = config.channel_binding(ChannelBinding::Require),
        Some(_) => return Err(bad("channel_binding")),
    }
    match get("target_session_attrs") {
        None | Some("any") => {}
        Some("read-write" | "primary") => _ = config.target_session_attrs(TargetSessionAttrs::ReadWrite),
        Some(_) => return Err(bad("target_session_attrs")),
    }
    config.ssl_mode(match mode {
        Mode::Disable => SslMode::Disable,
        Mode::Prefer => SslMode::Prefer,
        _ => SslMode::Require,
    });
    Ok(ConnectSpec { config, mode, roots, note })
}

impl ConnectSpec {
    /// Reads a connection URL or a keyword/value string, without any variable or file
    /// (PostgreSQL manual, libpq, "Connection Strings").
    pub fn parse(text: &str) -> Result<Self, PgError> {
        let keywords = text::parse(text).map_err(|why| PgError::of_kind(PgErrorKind::Setting, why))?;
        resolve::complete(keywords, &|_| None)
    }

    /// Finds the connection: file, named variable, `DATABASE_URL`, `PGSERVICE`, `PG*`; password from there or from `~/.pgpass`.
    pub fn resolve(sources: &Sources) -> Result<Resolved, PgError> {
        resolve::resolve(sources, &|name| std::env::var(name).ok())
    }

    /// [`ConnectSpec::resolve`] from the environment alone.
    pub fn from_environment() -> Result<Self, PgError> {
        Ok(Self::resolve(&Sources::default())?.spec)
    }

    /// The same server and role, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        let mut spec = self.clone();
        spec.config.dbname(database);
        spec
    }

    /// The database this connects to.
    pub fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or("postgres")
    }

    /// The role this connects as.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or("postgres")
    }

    /// libpq's word for what is asked of TLS.
    pub fn tls_mode(&self) -> &'static str {
        self.mode.word()
    }

    /// The password, for the redactor to learn; never to be shown.
    pub fn password(&self) -> Option<String> {
        self.config.get_password().map(|password| String::from_utf8_lossy(password).into_owned())
    }

    fn host(&self) -> String {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".into(),
        }
    }

    /// `host/database`, what production patterns are matched against.
    pub fn host_and_database(&self) -> String {
        format!("{}/{}", self.host(), self.database())
    }

    /// `database @ host:port as role`, without secrets.
    pub fn shown(&self) -> String {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{} @ {}:{port} as {}", self.database(), self.host(), self.user())
    }

    /// The same as libpq's environment variables, password included: for the PostgreSQL tools that we start, never for arguments
    /// (PostgreSQL manual, libpq, "Environment Variables").
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(host) => host.clone(),
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let ports: Vec<String> = self.config.get_ports().iter().map(u16::to_string).collect();
        let addresses: Vec<String> = self.config.get_hostaddrs().iter().map(ToString::to_string).collect();
        let mut variables = vec![
            ("PGUSER", self.user().to_owned()),
            ("PGDATABASE", self.database().to_owned()),
            ("PGHOST", hosts.join(",")),
            ("PGPORT", ports.join(",")),
            ("PGSSLMODE", self.mode.word().to_owned()),
        ];
        let verifies = matches!(self.mode, Mode::VerifyCa | Mode::VerifyFull);
        if verifies || matches!(self.roots, Roots::File(_)) {
            variables.push(("PGSSLROOTCERT", self.roots.for_libpq()));
        }
        if !addresses.is_empty() {
            variables.push(("PGHOSTADDR", addresses.join(",")));
        }
        if let Some(password) = self.password() {
            variables.push(("PGPASSWORD", password));
        }
        if let Some(options) = self.config.get_options() {
            variables.push(("PGOPTIONS", options.to_owned()));
        }
        variables
    }

    /// The same as one URL, password included: for programs of the team's own that look for it in a variable, never for arguments
    /// (PostgreSQL manual, libpq, "Connection URIs").
    pub(crate) fn url(&self) -> String {
        let variables = self.environment();
        let value = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        let encoded = |text: &str| -> String {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
            text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
        };
        let password = self.password().map(|password| format!(":{}", encoded(&password))).unwrap_or_default();
        let (host, port) = (value("PGHOST").unwrap_or_default(), value("PGPORT").filter(|port| !port.is_empty()).unwrap_or("5432"));
        // A folder of sockets, or several hosts, can only stand among the parameters.
        let (authority, mut query) = match host.starts_with('/') || host.contains(',') || host.contains(':') {
            true => (String::new(), vec![format!("host={}", encoded(host)), format!("port={}", encoded(port))]),
            false => (format!("{host}:{port}"), Vec::new()),
        };
        for (parameter, name) in [("sslmode", "PGSSLMODE"), ("sslrootcert", "PGSSLROOTCERT")] {
            query.extend(value(name).map(|value| format!("{parameter}={}", encoded(value))));
        }
        format!("postgresql://{}{password}@{authority}/{}?{}", encoded(self.user()), encoded(self.database()), query.join("&"))
    }

    /// Connects and prepares the session: name, timeouts, UTC, empty search path, read-only unless asked otherwise.
    pub async fn session(&self, options: &SessionOptions) -> Result<Session, PgError> {
        let mut config = self.config.clone();
        config.application_name(&options.application_name);
        let notices: Arc<Mutex<Vec<String>>> = Arc::default();
        let failed = |error| self.connect_error(error);
        let client = match self.mode {
            Mode::Disable => {
                let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
                drive(connection, Arc::clone(&notices));
                client
            }
            mode => {
                let (client, connection) = config.connect(tls::connector(mode, &self.roots)?).await.map_err(failed)?;
                drive(connection, Arc::clone(&notices));
                client
            }
        };
        let mut session = Session::new(client, notices);
        let read_only = if options.access == Access::ReadOnly { "on" } else { "off" };
        session
            .batch(&format!(
                "SET search_path = ''; SET timezone = 'UTC'; SET statement_timeout = {}; SET lock_timeout = {}; \
                 SET default_transaction_read_only = {read_only}; SET client_min_messages = warning",
                options.statement_timeout_ms, options.lock_timeout_ms
            ))
            .await?;
        session.watch().await;
        Ok(session)
    }

    /// Cancels what a session of this connection is running, by the same road that it came.
    pub async fn cancel(&self, token: &CancelToken) -> Result<(), PgError> {
        match self.mode {
            Mode::Disable => token.cancel_query(NoTls).await?,
            mode => token.cancel_query(tls::connector(mode, &self.roots)?).await?,
        }
        Ok(())
    }

    /// Why there is no connection, with its kind.
    fn connect_error(&self, error: tokio_postgres::Error) -> PgError {
        let mut reduced = PgError::from(error);
        let message = reduced.message.clone();
        reduced.kind = match reduced.kind {
            PgErrorKind::Server if message.contains("no encryption") || message.contains("SSL off") => PgErrorKind::TlsRefused,
            PgErrorKind::Other if message.contains("password missing") => PgErrorKind::Password,
            PgErrorKind::Other if message.contains("does not support TLS") => PgErrorKind::TlsRefused,
            PgErrorKind::Other if message.starts_with("error performing TLS handshake") => match message.contains("certificate") {
                true => PgErrorKind::Certificate,
                false => PgErrorKind::TlsRefused,
            },
            PgErrorKind::Other if message.starts_with("error connecting to server") || message.starts_with("timeout") => {
                PgErrorKind::NoServer
            }
            kind => kind,
        };
        if let (PgErrorKind::Password, Some(note)) = (reduced.kind, &self.note) {
            reduced.message = format!("{message}; {note}");
        }
        reduced
    }
}

/// Reads the connection until it ends; keeps what notices there were.
fn drive<S, T>(mut connection: Connection<S, T>, sink: Arc<Mutex<Vec<String>>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message
                && let Ok(mut sink) = sink.lock()
            {
                sink.push(format!("{} {}", notice.severity(), notice.code().code()));
            }
        }
    });
}
