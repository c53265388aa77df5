//! A throwaway local cluster: initdb and pg_ctl of an installed PostgreSQL, a short 0700 folder in the temporary directory,
//! unix socket only.
//!
//! The programs are found ([`programs::folders`]). Started as root, everything runs as `postgres`, else `nobody`, because a server
//! refuses to run as root. A watchdog, a detached shell that waits for the end of its standard input, is started *before* the server:
//! our end of that pipe closes when we stop, crash or are killed, and then the watchdog stops the server and removes the folder.
//! [`Cluster::stop`] takes the same road, so the road is tried every time.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::unistd::{Gid, Uid, User};

use super::programs::{self, PG_BIN_VARIABLE, Program};

/// The longest socket path that every system takes (`sun_path` is 108 bytes on Linux, 104 on macOS, terminator included).
const SOCKET_PATH_MAX: usize = 103;

/// What the cluster is made of.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// The folder of the programs; `None`: found.
    pub bin: Option<PathBuf>,
    /// Settings beyond ours, such as `("wal_level", "logical")`; they win over ours.
    pub settings: Vec<(String, String)>,
    /// A whole `pg_hba.conf`; `None`: trust on the socket, which only its owner can reach.
    pub hba: Option<String>,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("no PostgreSQL server programs (initdb, pg_ctl, postgres) found in PATH or the usual folders")]
    NoPrograms,
    #[error("{folder} holds no PostgreSQL server programs (initdb, pg_ctl, postgres)")]
    NotThere { folder: PathBuf },
    #[error("user {user} cannot run {program}: a folder on its path is closed to others")]
    NotTraversable { user: String, program: PathBuf },
    #[error("a PostgreSQL server does not run as root, and there is neither a user postgres nor nobody to run it as")]
    NoUser,
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// The tool's own last line; a cluster that does not exist yet holds no data that could be in it.
    #[error("{program} failed: {message}")]
    Failed { program: &'static str, message: String },
}

impl ClusterError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoPrograms | Self::NotThere { .. } => {
                format!(
                    "install the PostgreSQL server (Debian: apt-get install postgresql), or set {PG_BIN_VARIABLE} to the folder of its programs"
                )
            }
            Self::NotTraversable { .. } => {
                format!("copy the PostgreSQL programs to a folder that all may read, and set {PG_BIN_VARIABLE} to it")
            }
            Self::NoUser => "run as an ordinary user".to_owned(),
            Self::Io { .. } | Self::Failed { .. } => "check free space and permissions of the temporary directory".to_owned(),
        }
    }
}

/// A running throwaway cluster. Dropping it stops the server and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    postgres: Program,
    identity: Option<RunAs>,
    watchdog: Child,
    port: String,
    /// Our end of the watchdog's pipe; its closing ends the cluster.
    life: Option<ChildStdin>,
}

#[derive(Clone, Debug)]
struct RunAs {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl Cluster {
    /// Makes and starts a cluster; superuser `postgres`, databases `postgres` and templates, UTF-8, locale C. Blocks for about a second.
    pub fn start(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let postgres = find_server(options.bin.as_deref())?;
        let bin = postgres.path.parent().unwrap_or(Path::new("/")).to_owned();
        let identity = run_as()?;
        let folder = make_folder(identity.as_ref())?;
        let data = folder.join("data");
        if let Some(identity) = &identity
            && let Err(error) = as_user(Some(identity), &bin.join("initdb"), &folder).arg("--version").output()
        {
            let _ = fs::remove_dir_all(&folder);
            return match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => {
                    Err(ClusterError::NotTraversable { user: identity.name.clone(), program: bin.join("initdb") })
                }
                _ => Err(ClusterError::Io { what: format!("cannot run {}", bin.join("initdb").display()), source: error }),
            };
        }
        let mut watchdog = match watchdog(identity.as_ref(), &bin, &folder) {
            Ok(watchdog) => watchdog,
            Err(source) => {
                let _ = fs::remove_dir_all(&folder);
                return Err(ClusterError::Io { what: "cannot start the watchdog".into(), source });
            }
        };
        let life = watchdog.stdin.take();
        // From here on dropping `cluster` cleans up, whatever fails.
        let port = options.settings.iter().rev().find(|(name, _)| name == "port").map_or("5432".to_owned(), |(_, port)| port.clone());
        let cluster = Self { folder, postgres, identity, watchdog, port, life };

        let mut initdb = cluster.command("initdb");
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions", "-D"])
            .arg(&data);
        run("initdb", initdb)?;
        cluster.configure(options, &data)?;
        let mut pg_ctl = cluster.command("pg_ctl");
        pg_ctl.args(["start", "-s", "-w", "-t", "60", "-D"]).arg(&data).arg("-l").arg(cluster.log_file());
        run("pg_ctl", pg_ctl).map_err(|error| cluster.explained(error))?;
        Ok(cluster)
    }

    /// How to connect as superuser: the socket's folder stands in `host`.
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// How to connect as this role (names of letters, digits and `_`).
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgresql://{role}@/{database}?host={}&port={}", self.folder.display(), self.port)
    }

    /// The server program: its version is the server's.
    pub fn postgres(&self) -> &Program {
        &self.postgres
    }

    /// The folder of the PostgreSQL programs in use.
    pub fn bin(&self) -> &Path {
        self.postgres.path.parent().unwrap_or(Path::new("/"))
    }

    /// The 0700 folder that holds the data folder, the socket and the log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's log.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Stops the server at once and removes everything. Dropping does the same, without saying what went wrong.
    pub fn stop(mut self) -> Result<(), ClusterError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ClusterError> {
        drop(self.life.take());
        let failed = |source| ClusterError::Io { what: "cannot wait for the watchdog".into(), source };
        let status = self.watchdog.wait().map_err(failed)?;
        match status.success() && !self.folder.exists() {
            true => Ok(()),
            false => Err(ClusterError::Failed {
                program: "pg_ctl",
                message: format!("{} could not be stopped and removed", self.folder.display()),
            }),
        }
    }

    fn command(&self, program: &str) -> Command {
        as_user(self.identity.as_ref(), &self.bin().join(program), &self.folder)
    }

    fn configure(&self, options: &ClusterOptions, data: &Path) -> Result<(), ClusterError> {
        let failed = |what: &str| {
            let what = format!("cannot write {what}");
            move |source| ClusterError::Io { what, source }
        };
        let socket = self.folder.display().to_string();
        let mut settings: Vec<(&str, &str)> = vec![
            ("listen_addresses", ""),
            ("unix_socket_directories", &socket),
            ("unix_socket_permissions", "0700"),
            ("port", "5432"),
            ("max_connections", "100"),
            ("shared_buffers", "64MB"),
            ("max_prepared_transactions", "4"),
            // A throwaway cluster has nothing to lose in a power cut.
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("logging_collector", "off"),
            ("log_line_prefix", "%m [%p] %q%u@%d %a "),
        ];
        settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let text: String =
            settings.iter().map(|(name, value)| format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''"))).collect();
        // initdb owns the file as the dropped user; root may write to it, and its owner stays.
        let path = data.join("postgresql.conf");
        let before = fs::read_to_string(&path).map_err(failed("postgresql.conf"))?;
        fs::write(&path, before + "\n# ledger\n" + &text).map_err(failed("postgresql.conf"))?;
        if let Some(hba) = &options.hba {
            fs::write(data.join("pg_hba.conf"), hba).map_err(failed("pg_hba.conf"))?;
        }
        Ok(())
    }

    /// The server's own last words are a better reason than pg_ctl's "could not start server".
    fn explained(&self, error: ClusterError) -> ClusterError {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        match (error, log.lines().rev().find(|line| line.contains("FATAL:"))) {
            (ClusterError::Failed { program, .. }, Some(line)) => ClusterError::Failed { program, message: line.to_owned() },
            (error, _) => error,
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.life.is_some() {
            // Nobody is left to tell; the watchdog goes on trying by itself.
            let _ = self.end();
        }
    }
}

fn find_server(explicit: Option<&Path>) -> Result<Program, ClusterError> {
    let complete = |folder: &Path| ["initdb", "pg_ctl"].iter().all(|name| folder.join(name).is_file());
    let server = |folder: &Path| complete(folder).then(|| programs::program(folder, "postgres")).flatten();
    match explicit {
        Some(folder) => server(folder).ok_or_else(|| ClusterError::NotThere { folder: folder.to_owned() }),
        None => programs::folders().iter().find_map(|folder| server(folder)).ok_or(ClusterError::NoPrograms),
    }
}

/// As root: the user to run as. Otherwise nobody else.
fn run_as() -> Result<Option<RunAs>, ClusterError> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|user| Some(RunAs { name: user.name, uid: user.uid, gid: user.gid }))
        .ok_or(ClusterError::NoUser)
}

/// Makes the 0700 folder where the socket path stays short and the user may get through.
fn make_folder(identity: Option<&RunAs>) -> Result<PathBuf, ClusterError> {
    let failed = |source| ClusterError::Io { what: "cannot make a folder in the temporary directory".into(), source };
    let temporary = std::env::temp_dir();
    // As another user we must be able to get there: only /tmp is sure to be open to all.
    let base = match identity.is_some() || temporary.as_os_str().len() + "/ledger-xxxxxx/.s.PGSQL.5432".len() > SOCKET_PATH_MAX {
        true => PathBuf::from("/tmp"),
        false => temporary,
    };
    let folder =
        tempfile::Builder::new().prefix("ledger-").permissions(fs::Permissions::from_mode(0o700)).tempdir_in(&base).map_err(failed)?.keep();
    if let Some(identity) = identity {
        std::os::unix::fs::chown(&folder, Some(identity.uid.as_raw()), Some(identity.gid.as_raw())).map_err(failed)?;
    }
    Ok(folder)
}

fn as_user(identity: Option<&RunAs>, program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    // PG* variables of the caller speak of another server; the caller's folder may be closed to the dropped user.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").current_dir(folder).stdin(Stdio::null());
    if let Some(identity) = identity {
        command.uid(identity.uid.as_raw()).gid(identity.gid.as_raw());
    }
    command
}

/// What the watchdog does when its input ends. A server that is starting right then has no pid file yet, so it looks several times.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM
read -r _
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    [ -f "$2/data/postmaster.pid" ] && "$1" stop -s -w -t 20 -m immediate -D "$2/data"
    rm -rf "$2"
    [ -e "$2" ] || exit 0
    sleep 1
done
exit 1
"#;

fn watchdog(identity: Option<&RunAs>, bin: &Path, folder: &Path) -> io::Result<Child> {
    let mut command = as_user(identity, Path::new("/bin/sh"), folder);
    command.args(["-c", WATCHDOG, "ledger-watchdog"]).arg(bin.join("pg_ctl")).arg(folder);
    // Its own process group: Ctrl-C at the terminal does not reach it. Its own folder: the cluster's will be removed.
    command.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

fn run(program: &'static str, mut command: Command) -> Result<(), ClusterError> {
    // To a file and not to pipes: the server that pg_ctl leaves behind would keep a pipe open.
    let failed = |source| ClusterError::Io { what: format!("cannot run {program}"), source };
    let mut said = tempfile::tempfile().map_err(failed)?;
    let status = command
        .stdout(Stdio::from(said.try_clone().map_err(failed)?))
        .stderr(Stdio::from(said.try_clone().map_err(failed)?))
        .status()
        .map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    let mut text = String::new();
    let read = io::Seek::rewind(&mut said).and_then(|()| io::Read::read_to_string(&mut said, &mut text));
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no message");
    Err(ClusterError::Failed { program, message: if read.is_ok() { last.to_owned() } else { status.to_string() } })
}
