//! Where the connection is described: a file, a named variable, `DATABASE_URL`, a service, `PG*`, libpq's defaults.

use std::path::{Path, PathBuf};

use super::files::{self, Passwords};
use super::text::{self, Keywords};
use super::tls::{Mode, Roots};
use super::{ConnectSpec, build};
use crate::pg::{PgError, PgErrorKind};

/// What may describe the connection; first that is there wins, and pieces that it lacks come from `PG*` and defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--database-url-file`, or the environment's `url-file`, made absolute.
    pub url_file: Option<PathBuf>,
    /// The environment's `url-env`.
    pub url_env: Option<String>,
}

/// A connection, and where it was found: never with its secret.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub spec: ConnectSpec,
    /// `$STAGING_DATABASE_URL`, a file's path, `$DATABASE_URL`, `service staging`, `PG* variables`.
    pub source: String,
}

/// Looks variables up; the process's own in production.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// libpq's variables and the keywords they stand for.
const VARIABLES: [(&str, &str); 12] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGOPTIONS", "options"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGCHANNELBINDING", "channel_binding"),
];

/// Finds the connection.
pub fn resolve(sources: &Sources, variable: Lookup<'_>) -> Result<Resolved, PgError> {
    let bad =
        |source: &str, why: &dyn std::fmt::Display| PgError::of_kind(PgErrorKind::Setting, format!("the connection in {source}: {why}"));
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let (found, source) = if let Some(file) = &sources.url_file {
        let source = file.display().to_string();
        let content = std::fs::read_to_string(file).map_err(|error| bad(&source, &error))?;
        (Some(content), source)
    } else if let Some((name, value)) = sources.url_env.as_deref().and_then(|name| set(name).map(|value| (name, value))) {
        (Some(value), format!("${name}"))
    } else if let Some(value) = set("DATABASE_URL") {
        (Some(value), "$DATABASE_URL".to_owned())
    } else if let Some(service) = set("PGSERVICE") {
        (None, format!("service {service}"))
    } else if VARIABLES.iter().any(|(name, _)| matches!(*name, "PGHOST" | "PGHOSTADDR" | "PGDATABASE") && set(name).is_some()) {
        (None, "PG* variables".to_owned())
    } else {
        // libpq would go on to a local server of the user's own; a rehearsal must not meet a database by accident.
        return Err(PgError::of_kind(
            PgErrorKind::Setting,
            "no connection is described: neither a URL, nor PGSERVICE, PGHOST or PGDATABASE",
        ));
    };
    let mut keywords = match found {
        Some(text) => text::parse(&text).map_err(|why| bad(&source, &why))?,
        None => Keywords::new(),
    };
    if let Some(service) = keywords.get("service").cloned().or_else(|| set("PGSERVICE")) {
        let described =
            service_keywords(&service, variable).ok_or_else(|| bad(&source, &format!("no service file has a service `{service}`")))?;
        for (key, value) in described {
            keywords.entry(key).or_insert(value);
        }
    }
    for (name, key) in VARIABLES {
        if let Some(value) = set(name) {
            keywords.entry(key.to_owned()).or_insert(value);
        }
    }
    let spec =
        complete(keywords, variable).map_err(|error| PgError::of_kind(error.kind, format!("the connection in {source}: {error}")))?;
    Ok(Resolved { spec, source })
}

fn service_keywords(service: &str, variable: Lookup<'_>) -> Option<Keywords> {
    let own = variable("PGSERVICEFILE").map(PathBuf::from).or_else(|| home(variable).map(|home| home.join(".pg_service.conf")));
    let system = variable("PGSYSCONFDIR").map_or(PathBuf::from("/etc/postgresql-common"), PathBuf::from).join("pg_service.conf");
    own.into_iter().chain([system]).find_map(|file| files::service(&file, service))
}

fn home(variable: Lookup<'_>) -> Option<PathBuf> {
    variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Fills in libpq's defaults and ours, and makes the connection.
pub fn complete(mut keywords: Keywords, variable: Lookup<'_>) -> Result<ConnectSpec, PgError> {
    let user = keywords.entry("user".into()).or_insert_with(operating_system_user).clone();
    let database = keywords.entry("dbname".into()).or_insert(user.clone()).clone();
    let port = keywords.entry("port".into()).or_insert("5432".into()).clone();
    let host = keywords.entry("host".into()).or_insert_with(|| socket_folder(&port)).clone();
    refuse_pooler(&keywords, &host, &port, &database)?;

    let mut note = None;
    if !keywords.contains_key("password") {
        let file = keywords.get("passfile").map(PathBuf::from).or_else(|| home(variable).map(|home| home.join(".pgpass")));
        // libpq calls its default socket folder localhost here.
        let known_as = if is_socket_folder(&host) { "localhost" } else { &host };
        match file.map(|file| files::password(&file, known_as, &port, &database, &user)) {
            Some(Passwords::Found(password)) => {
                keywords.insert("password".into(), password);
            }
            Some(Passwords::Open(why)) => note = Some(why),
            Some(Passwords::None) | None => {}
        }
    }
    let mode = match keywords.get("sslmode").map(String::as_str) {
        Some(word) => Mode::parse(word).ok_or_else(|| {
            PgError::of_kind(PgErrorKind::Setting, "sslmode must be disable, allow, prefer, require, verify-ca or verify-full")
        })?,
        None => default_mode(&host),
    };
    let roots = match keywords.get("sslrootcert").map(String::as_str) {
        Some("system") => Roots::System,
        Some(file) => Roots::File(file.into()),
        None => home(variable)
            .map(|home| home.join(".postgresql/root.crt"))
            .filter(|file| mode != Mode::Require && file.exists())
            .map_or(Roots::System, Roots::File),
    };
    build(&keywords, mode, roots, note)
}

/// Off this machine, the server must prove who it is.
pub(super) fn default_mode(host: &str) -> Mode {
    let local = |host: &str| {
        host.starts_with('/') || host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    if host.split(',').all(local) { Mode::Prefer } else { Mode::VerifyFull }
}

/// Behind a transaction pooler a session is not one: settings, locks and snapshots do not last.
fn refuse_pooler(keywords: &Keywords, host: &str, port: &str, database: &str) -> Result<(), PgError> {
    let supabase = host.ends_with(".supabase.co") || host.ends_with(".supabase.com");
    if (supabase && port == "6543") || keywords.get("pgbouncer").is_some_and(|value| value == "true") {
        let port = if port == "6543" { "5432" } else { port };
        let user = keywords.get("user").map_or("USER", String::as_str);
        return Err(PgError::of_kind(
            PgErrorKind::Pooler,
            format!(
                "this is a transaction pooler, where sessions do not last; use the session URL: postgresql://{user}@{host}:{port}/{database}"
            ),
        ));
    }
    Ok(())
}

fn operating_system_user() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok().flatten().map_or("postgres".into(), |user| user.name)
}

/// libpq's default is compiled in; these are the two that are in use.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

fn is_socket_folder(host: &str) -> bool {
    SOCKET_FOLDERS.contains(&host)
}

fn socket_folder(port: &str) -> String {
    let listens = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    SOCKET_FOLDERS.iter().find(listens).map_or("localhost".into(), |folder| (*folder).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn shown(sources: &Sources, variables: &[(&str, &str)]) -> String {
        match resolve(sources, &with(variables)) {
            Ok(found) => format!("{} from {} ({})", found.spec.shown(), found.source, found.spec.tls_mode()),
            Err(error) => format!("{:?}: {error}", error.kind),
        }
    }

    #[test]
    fn the_first_source_wins_and_variables_fill_the_rest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "postgresql://f@file.example/fd\n").unwrap();
        let all = [
            ("STAGING", "postgresql://e@env.example/ed"),
            ("DATABASE_URL", "postgresql://u@url.example/ud"),
            ("PGPORT", "7"),
            ("PGUSER", "pg"),
        ];
        let staging = Sources { url_env: Some("STAGING".into()), ..Sources::default() };
        let named = Sources { url_file: Some(file.path().into()), ..staging.clone() };
        assert_eq!(shown(&named, &all), format!("fd @ file.example:7 as f from {} (verify-full)", file.path().display()));
        assert_eq!(shown(&staging, &all), "ed @ env.example:7 as e from $STAGING (verify-full)");
        assert_eq!(shown(&staging, &all[1..]), "ud @ url.example:7 as u from $DATABASE_URL (verify-full)");
        let pg = [("PGHOST", "localhost"), ("PGDATABASE", "d"), ("PGUSER", "pg"), ("PGSSLMODE", "require")];
        assert_eq!(shown(&staging, &pg), "d @ localhost:5432 as pg from PG* variables (require)");
        assert_eq!(shown(&staging, &pg[..3]), "d @ localhost:5432 as pg from PG* variables (prefer)");
        assert!(shown(&staging, &[("PGUSER", "x")]).starts_with("Setting: no connection is described"));
    }

    #[test]
    fn a_service_is_looked_up_where_its_variable_says() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[staging]\nhost=s.example\ndbname=sd\nuser=su\n").unwrap();
        let path = file.path().to_str().unwrap();
        let variables = [("PGSERVICE", "staging"), ("PGSERVICEFILE", path)];
        assert_eq!(shown(&Sources::default(), &variables), "sd @ s.example:5432 as su from service staging (verify-full)");
        assert!(
            shown(&Sources::default(), &[("PGSERVICE", "other"), ("PGSERVICEFILE", path)])
                .contains("no service file has a service `other`")
        );
    }

    #[test]
    fn a_transaction_pooler_is_refused_with_the_session_url() {
        let said =
            shown(&Sources::default(), &[("DATABASE_URL", "postgresql://postgres.ref:canary@aws-0-eu.pooler.supabase.com:6543/postgres")]);
        assert!(
            said.starts_with("Pooler: ") && said.contains("postgresql://postgres.ref@aws-0-eu.pooler.supabase.com:5432/postgres"),
            "{said}"
        );
        assert!(!said.contains("canary"));
    }

    #[test]
    fn the_password_file_is_used_and_its_mode_is_minded() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(".pgpass");
        std::fs::write(&file, "h.example:5432:d:u:canary\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let variables = [("DATABASE_URL", "postgresql://u@h.example/d"), ("HOME", home.path().to_str().unwrap())];
        let found = resolve(&Sources::default(), &with(&variables)).unwrap();
        assert_eq!(found.spec.password().as_deref(), Some("canary"));
        assert!(!format!("{found:?}").contains("canary"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(resolve(&Sources::default(), &with(&variables)).unwrap().spec.password(), None);
    }
}
