//! From a project to a running engine: connecting, refusing what must be refused, and the header a person sees.

use std::path::{Path, PathBuf};

use regex::Regex;

use super::ui::{Tone, Ui};
use super::{CliError, Exit, Globals};
use crate::chain::Store;
use crate::config::{Config, ScratchKind};
use crate::pg::connect::Sources;
use crate::pg::{Cluster, ClusterOptions, ConnectSpec, PgError, PgErrorKind, Target, programs};
use crate::redact::Redactor;
use crate::run::RunError;

/// A project that is connected to its target.
pub struct Connected {
    pub root: PathBuf,
    pub config: Config,
    pub config_bytes: Vec<u8>,
    pub environment: String,
    pub target: Target,
    /// The server of `[scratch]`; `None`: the target's own.
    pub scratch: Option<Target>,
    /// The throwaway cluster that it is, where it is one; it ends with this.
    pub local: Option<Cluster>,
    pub redactor: Redactor,
}

/// Reads the project, finds the environment's connection, refuses production, connects.
pub async fn connect(globals: &Globals, environment: Option<&str>, url_file: Option<&Path>) -> Result<Connected, CliError> {
    let (root, config, config_bytes) = globals.config()?;
    let environment = environment.unwrap_or(&config.default_environment).to_owned();
    let spec = resolve(&root, &config, &environment, url_file)?;
    refuse_production(&config, &spec)?;
    let mut redactor = Redactor::from_environment();
    if let Some(password) = spec.password() {
        redactor.learn(&password);
    }
    let target = Target::open(spec.clone(), &format!("ledger/{environment}"))
        .await
        .map_err(|error| unreachable_target(&spec, &error, &environment))?;
    let (scratch, local) = match config.scratch.kind {
        Some(ScratchKind::Local) => {
            let (server, cluster) = local(&target).await?;
            (Some(server), Some(cluster))
        }
        Some(ScratchKind::Target) => (None, None),
        _ => (scratch(&config, &target, &mut redactor).await?, None),
    };
    Ok(Connected { root, config, config_bytes, environment, target, scratch, local, redactor })
}

/// A throwaway cluster of the target's major.
async fn local(target: &Target) -> Result<(Target, Cluster), CliError> {
    let failed = |what: String| CliError::setup(format!("no local scratch server: {what}"));
    let major = target.major();
    let bin = programs::folders().into_iter().find(|folder| {
        ["initdb", "pg_ctl"].iter().all(|name| folder.join(name).is_file())
            && programs::program(folder, "postgres").is_some_and(|server| server.major == major)
    });
    let bin = bin.ok_or_else(|| {
        failed(format!("the server programs of PostgreSQL {major} are not here")).hint(format!(
            "install them (Debian: apt-get install postgresql-{major}), or set LEDGER_PG_BIN to their folder, or take [scratch] kind out of ledger.toml"
        ))
    })?;
    let settings = vec![("shared_buffers".to_owned(), "128MB".to_owned()), ("max_wal_size".to_owned(), "4GB".to_owned())];
    let cluster = Cluster::start(&ClusterOptions { bin: Some(bin), settings, hba: None }).map_err(|error| {
        let hint = error.hint();
        failed(error.to_string()).hint(hint)
    })?;
    let spec = ConnectSpec::parse(&cluster.url("postgres")).map_err(|error| failed(error.to_string()))?;
    let server = Target::open(spec, target.application_name()).await.map_err(|error| failed(error.to_string()))?;
    Ok((server, cluster))
}

/// Another server for scratch copies, where `[scratch] url-env` names one. A variable that is not set is an error: falling back to the
/// target's server would put load on it that somebody wanted elsewhere.
async fn scratch(config: &Config, target: &Target, redactor: &mut Redactor) -> Result<Option<Target>, CliError> {
    let Some(name) = &config.scratch.url_env else {
        return match config.scratch.kind {
            Some(ScratchKind::Server) => Err(CliError::setup("[scratch] kind is `server`, and url-env names no variable")
                .hint("set url-env under [scratch] to the variable that holds the server's URL")),
            _ => Ok(None),
        };
    };
    let hint = format!("export {name}='postgresql://user@host:5432/database', or take [scratch] url-env out of ledger.toml");
    if std::env::var_os(name).is_none_or(|value| value.is_empty()) {
        return Err(CliError::setup(format!("[scratch] url-env names ${name}, which is not set")).hint(hint));
    }
    let sources = Sources { url_file: None, url_env: Some(name.clone()) };
    let spec = ConnectSpec::resolve(&sources)
        .map_err(|error| CliError::setup(format!("the scratch server of ${name} cannot be used")).cause(error).hint(hint))?
        .spec;
    refuse_production(config, &spec)?;
    if let Some(password) = spec.password() {
        redactor.learn(&password);
    }
    let server = Target::open(spec.clone(), target.application_name()).await.map_err(|error| unreachable_target(&spec, &error, name))?;
    if server.major() != target.major() {
        let what = format!("the scratch server is PostgreSQL {}, the target is {}", server.major(), target.major());
        return Err(CliError::setup(what).hint("what runs on another major proves nothing about the target: name a server of the same one"));
    }
    Ok(Some(server))
}

fn resolve(root: &Path, config: &Config, environment: &str, url_file: Option<&Path>) -> Result<ConnectSpec, CliError> {
    let settings = config.environments.get(environment).cloned();
    if settings.is_none() && !config.environments.is_empty() {
        let known: Vec<&str> = config.environments.keys().map(String::as_str).collect();
        return Err(
            CliError::setup(format!("ledger.toml has no environment `{environment}`")).hint(format!("it has: {}", known.join(", ")))
        );
    }
    let settings = settings.unwrap_or_default();
    let sources = Sources {
        url_file: url_file.map(Path::to_path_buf).or_else(|| settings.url_file.as_ref().map(|file| root.join(file))),
        url_env: settings.url_env.clone(),
    };
    let found = ConnectSpec::resolve(&sources).map_err(|error| {
        let named = settings.url_env.as_deref().unwrap_or("DATABASE_URL");
        let error_is_pooler = error.kind == PgErrorKind::Pooler;
        let refused = CliError::setup(format!("environment `{environment}` has no usable connection")).cause(error);
        match error_is_pooler {
            true => refused.hint("a rehearsal needs sessions: session settings, advisory locks, exported snapshots"),
            false => refused
                .hint(format!("export {named}='postgresql://user@host:5432/database' (password in ~/.pgpass), or use --database-url-file")),
        }
    })?;
    Ok(found.spec)
}

/// A target whose `host/database` matches a production pattern is refused.
fn refuse_production(config: &Config, spec: &ConnectSpec) -> Result<(), CliError> {
    let name = spec.host_and_database();
    for pattern in &config.safety.production_patterns {
        let regex = Regex::new(pattern).map_err(|error| {
            CliError::setup(format!("`production-patterns` in ledger.toml holds a bad pattern: {pattern}")).cause(error)
        })?;
        if regex.is_match(&name) {
            return Err(CliError::setup(format!("{name} looks like production"))
                .cause(format!("it matches `{pattern}` of [safety] production-patterns in ledger.toml"))
                .hint("this tool rehearses on staging; if this is staging, change the pattern"));
        }
    }
    Ok(())
}

fn unreachable_target(spec: &ConnectSpec, error: &PgError, environment: &str) -> CliError {
    let hint = match (error.kind, error.sqlstate.as_deref()) {
        // Before the SQLSTATE, which is the one of a refused role.
        (PgErrorKind::TlsRefused, _) => {
            format!("server and client disagree about TLS: sslmode is {}; set another in the URL (…?sslmode=require)", spec.tls_mode())
        }
        (PgErrorKind::Password, _) | (_, Some("28000")) => {
            format!("check role and password of environment `{environment}`; a password belongs in ~/.pgpass (chmod 600) or the URL's variable")
        }
        (PgErrorKind::NoDatabase, _) => "check the database's name; `psql -l` lists what the server has".into(),
        (PgErrorKind::Certificate, _) => {
            "set sslrootcert to the authority's certificate (Supabase: download its CA under Database settings); sslmode=verify-full is the \
             default for hosts that are not this machine"
                .into()
        }
        (_, Some("53300")) => "the server has no connection left; try again later".into(),
        (_, Some("42501")) => "the role may not read what identifies the server: GRANT pg_monitor TO it, or use the owner".into(),
        _ => format!("check that the server runs and that host and port are right: {}", spec.shown()),
    };
    CliError::setup(format!("cannot connect to {}", spec.shown())).cause(error).hint(hint)
}

/// The lines above a run.
pub fn header(ui: &Ui, connected: &Connected, store: &Store) -> Result<(), CliError> {
    let identity = connected.target.identity();
    ui.note(format!("{:>12} {}, PostgreSQL {}", ui.err("Target", Tone::Strong), connected.target.spec().shown(), identity.server_version));
    let head = store.head()?;
    ui.note(format!(
        "{:>12} evidence/ledger.db, {} entries, head {}",
        ui.err("Ledger", Tone::Strong),
        head.size,
        &head.leaf.to_string()[..12]
    ));
    let plan = &connected.config.plan;
    ui.note(format!("{:>12} {}: {} tasks, {} gates", ui.err("Plan", Tone::Strong), plan.id, plan.tasks.len(), plan.gates.len()));
    Ok(())
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Ledger(error) => error.into(),
            RunError::Setup { what, hint } => Self::setup(what).hint(hint),
            RunError::Pg(error) => Self::setup("the database could not be used").cause(error),
            RunError::Io { what, source } => Self::setup(format!("cannot read {what}")).cause(source),
            RunError::Interrupted => {
                Self::new(Exit::Interrupted, "interrupted").hint("ledger run --resume goes on; ledger status shows where the run stands")
            }
        }
    }
}

/// A runtime for commands that talk to the server: one thread, since the work is the server's.
pub fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Exit::Bug, "cannot start the runtime").cause(error))
}
