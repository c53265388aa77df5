//! Running PostgreSQL's own tools, and reducing what they say: their stderr may carry row values (a failed COPY prints the line).

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::LazyLock;

use regex::Regex;
use tokio::process::Command;

use super::{ConnectSpec, PgError, PgErrorKind};

/// A tool that is run to its end; it ends when the future is dropped, and when we die, on whatever terms.
pub(super) struct Tool {
    command: Command,
    name: String,
}

/// Runs the tool. When our end of its input closes, which it does even on SIGKILL, the tool is told to end: then it cancels what the server does for
/// it, and no dump goes on holding its locks for nobody.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
tool=$!
( trap '' TERM; read -r _ <&3; kill -TERM 0 ) >/dev/null 2>&1 &
guard=$!
exec 3<&-
wait $tool
status=$?
kill -KILL $guard
exit $status
"#;

/// What a tool left.
pub(super) struct Ended {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    /// Not reduced: never record or print it.
    pub stderr: String,
    name: String,
}

impl Tool {
    /// The program in the C locale, without the caller's PG* variables.
    pub fn new(program: &Path) -> Self {
        let shell = Path::new("/bin/sh");
        let mut command = match shell.exists() {
            true => {
                let mut command = Command::new(shell);
                command.args(["-c", GUARD, "ledger-tool"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        // A process group of its own: Ctrl-C at the terminal reaches us, and we end it.
        command.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        Self { command, name }
    }

    /// Where to connect, by environment variables: nothing secret stands in the arguments.
    #[must_use]
    pub fn connect(mut self, spec: &ConnectSpec, application_name: &str) -> Self {
        self.command.envs(spec.environment());
        self.command.env("PGAPPNAME", application_name);
        self
    }

    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Runs it; the outcome is for the caller to judge.
    pub async fn run(mut self) -> Result<Ended, PgError> {
        let failed = |error| PgError::of_kind(PgErrorKind::NoTool, format!("cannot run {}: {error}", self.name));
        let mut child = self.command.spawn().map_err(failed)?;
        // Held open for as long as we live.
        let life = child.stdin.take();
        let output = child.wait_with_output().await.map_err(failed)?;
        drop(life);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(Ended { status: output.status, stdout: output.stdout, stderr, name: self.name })
    }
}

impl Ended {
    /// Success, or the reduced reason.
    pub fn checked(self) -> Result<Self, PgError> {
        match self.status.success() {
            true => Ok(self),
            false => Err(self.error()),
        }
    }

    /// The reason for a failure: exit code, object and class of error; never the tool's own text.
    pub fn error(&self) -> PgError {
        let code = match self.status.code() {
            // What a shell says of a program that a signal ended (POSIX, "Exit Status and Errors").
            None | Some(129..) => "was killed".to_owned(),
            Some(code) => format!("failed with exit code {code}"),
        };
        let (kind, said) = reduce(&self.stderr);
        PgError::of_kind(kind, format!("{} {code}: {said}", self.name))
    }
}

/// How a lost connection is told.
const LOST: &str =
    "the connection was lost while it worked; nothing is known about the archive: when the server answers again, run this task again";

/// Phrases of PostgreSQL's tools and servers, how we say it, and whether it speaks of this place rather than of what was worked on.
/// First match wins; the order goes from the particular to the general.
const CLASSES: [(&str, &str, PgErrorKind); 33] = [
    ("server version mismatch", "the tool is older than the server", PgErrorKind::NoTool),
    ("unsupported version", "the archive is from a newer pg_dump than this pg_restore", PgErrorKind::NoTool),
    ("does not appear to be a valid archive", "the file is not a PostgreSQL archive", PgErrorKind::ToolFailed),
    ("could not read from input file", "the file ends too early", PgErrorKind::ToolFailed),
    ("unexpected end of file", "the file ends too early", PgErrorKind::ToolFailed),
    ("could not find block ID", "the file lacks a table's data", PgErrorKind::ToolFailed),
    ("could not uncompress", "the file's data is damaged", PgErrorKind::ToolFailed),
    ("could not open input file", "the file cannot be opened", PgErrorKind::ToolFailed),
    ("No space left on device", "no space left on the device", PgErrorKind::ToolEnvironment),
    ("could not extend file", "the server could not extend a file: its disk may be full", PgErrorKind::ToolEnvironment),
    ("could not write", "cannot write", PgErrorKind::ToolEnvironment),
    ("password authentication failed", "password authentication failed", PgErrorKind::ToolEnvironment),
    ("no password supplied", "no password supplied", PgErrorKind::ToolEnvironment),
    ("connection to server", "the connection failed", PgErrorKind::ToolEnvironment),
    ("server closed the connection", LOST, PgErrorKind::ToolEnvironment),
    ("terminating connection", LOST, PgErrorKind::ToolEnvironment),
    ("no connection to the server", LOST, PgErrorKind::ToolEnvironment),
    ("could not send data to server", LOST, PgErrorKind::ToolEnvironment),
    ("could not receive data from server", LOST, PgErrorKind::ToolEnvironment),
    ("the database system is", "the server is starting, stopping or recovering", PgErrorKind::ToolEnvironment),
    ("row-level security", "the role would see only some rows (row security)", PgErrorKind::ToolEnvironment),
    ("lock timeout", "a lock was not granted in time", PgErrorKind::ToolEnvironment),
    ("statement timeout", "a statement took too long", PgErrorKind::ToolEnvironment),
    ("must be superuser", "it needs a superuser", PgErrorKind::ToolEnvironment),
    ("must be owner", "the role must own the object", PgErrorKind::ToolEnvironment),
    ("must be able to SET ROLE", "the role may not act as the object's owner", PgErrorKind::ToolEnvironment),
    ("must be member of role", "the role may not act as the object's owner", PgErrorKind::ToolEnvironment),
    ("permission denied", "permission denied", PgErrorKind::ToolEnvironment),
    ("is not available", "an extension is not to be had on this server", PgErrorKind::ToolEnvironment),
    ("already exists", "an object exists already", PgErrorKind::ToolFailed),
    ("violates", "a constraint is violated", PgErrorKind::ToolFailed),
    ("could not create unique index", "a unique index meets duplicates", PgErrorKind::ToolFailed),
    ("does not exist", "something that is needed does not exist", PgErrorKind::ToolFailed),
];

static TOC_ENTRY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)from TOC entry \d+; \d+ \d+ ([A-Z][A-Z ]*[A-Z]) (.+) \S+$").ok());
/// What the statement that failed was to make: with `--exit-on-error` pg_restore names no entry. The kind and the name, nothing after them.
static COMMAND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?m)^Command was: CREATE (?:OR REPLACE )?((?:[A-Z]+ )+)((?:[a-z_][a-z0-9_$]*|"[^"\n]*")(?:\.(?:[a-z_][a-z0-9_$]*|"[^"\n]*"))?)"#,
    )
    .ok()
});
static COPY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"COPY failed for table "([^"\n]*)""#).ok());
static DENIED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"permission denied (?:for|to) ((?:[a-z]+ )?[^\s:]+)").ok());
/// A constraint or unique index that rows break, in the message itself: DETAIL holds the values and is not looked at.
static BROKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"(?:constraint|unique index) "([^"\n]*)""#).ok());
static ROLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"role "([^"\n]*)" does not exist"#).ok());
static EXTENSION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"extension "([^"\n]*)" (?:is not available|does not exist)"#).ok());

fn first(regex: &LazyLock<Option<Regex>>, text: &str, group: usize) -> Option<String> {
    regex.as_ref()?.captures(text)?.get(group).map(|m| m.as_str().to_owned())
}

/// Object and class of the first error that a tool printed.
fn reduce(stderr: &str) -> (PgErrorKind, String) {
    // DETAIL, HINT and the like may hold values that look like a phrase of ours.
    let message = match stderr.find("error:").map(|at| &stderr[at..]) {
        Some(rest) => rest.split_once("\nDETAIL").map_or(rest, |(message, _)| message),
        None => stderr,
    };
    let (class, kind) = classify(message);
    let entry = first(&TOC_ENTRY, stderr, 1).zip(first(&TOC_ENTRY, stderr, 2)).map(|(kind, name)| format!(" at {kind} {name}"));
    let entry = entry.or_else(|| first(&COPY, stderr, 1).map(|table| format!(" at TABLE DATA {table}")));
    let entry = entry.or_else(|| {
        let made = first(&COMMAND, stderr, 1).zip(first(&COMMAND, stderr, 2));
        made.map(|(kind, name)| format!(" at {} {name}", kind.trim_end()))
    });
    let first_line = message.lines().next().unwrap_or_default();
    let entry = entry
        .or_else(|| first(&BROKEN, first_line, 1).filter(|_| kind == PgErrorKind::ToolFailed).map(|name| format!(" at constraint {name}")));
    let named = first(&ROLE, stderr, 1)
        .map(|role| format!(" (role {role})"))
        .or_else(|| first(&EXTENSION, stderr, 1).map(|extension| format!(" (extension {extension})")))
        .or_else(|| first(&DENIED, stderr, 1).filter(|_| class == "permission denied").map(|object| format!(" ({object})")));
    // A role or an extension that this server lacks says nothing about the archive.
    let kind = if first(&ROLE, stderr, 1).or_else(|| first(&EXTENSION, stderr, 1)).is_some() { PgErrorKind::ToolEnvironment } else { kind };
    (kind, format!("{class}{}{}", named.unwrap_or_default(), entry.unwrap_or_default()))
}

fn classify(text: &str) -> (&'static str, PgErrorKind) {
    // The first line is the message; a command or a COPY line may follow.
    let message: String = text.lines().take(2).collect::<Vec<_>>().join("\n");
    CLASSES
        .iter()
        .find(|(phrase, ..)| message.contains(phrase))
        .map_or(("an error of no known class", PgErrorKind::ToolFailed), |(_, said, kind)| (*said, *kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_pass() {
        let stderr = "pg_restore: while PROCESSING TOC:\npg_restore: from TOC entry 3345; 0 16400 TABLE DATA clauses migrator\n\
                      pg_restore: error: COPY failed for table \"clauses\": ERROR:  duplicate key value violates unique constraint \"clauses_pkey\"\n\
                      DETAIL:  Key (id)=(canary-7) already exists.\nCONTEXT:  COPY clauses, line 1: \"canary-7\tsecret\"\n";
        assert_eq!(reduce(stderr), (PgErrorKind::ToolFailed, "a constraint is violated at TABLE DATA clauses".into()));
    }

    #[test]
    fn what_helps_is_named() {
        assert_eq!(
            reduce("pg_restore: error: could not execute query: ERROR:  role \"app_user\" does not exist\nCommand was: GRANT"),
            (PgErrorKind::ToolEnvironment, "something that is needed does not exist (role app_user)".into())
        );
        assert_eq!(
            reduce(
                "pg_dump: error: query failed: ERROR:  permission denied for table clauses\npg_dump: detail: Query was: LOCK TABLE public.clauses"
            ),
            (PgErrorKind::ToolEnvironment, "permission denied (table clauses)".into())
        );
        assert_eq!(
            reduce(
                "pg_restore: error: could not execute query: ERROR:  insert or update on table \"c\" violates foreign key constraint \"c_id_fkey\"\n\
                 DETAIL:  Key (id)=(constraint \"canary\") is not present in table \"p\".\nCommand was: ALTER TABLE"
            ),
            (PgErrorKind::ToolFailed, "a constraint is violated at constraint c_id_fkey".into())
        );
        assert_eq!(
            reduce(
                "pg_restore: error: could not execute query: ERROR:  type \"mood\" does not exist\nLINE 1:  SELECT 'fine'::mood\nQUERY:  SELECT 'canary'::mood\n\
                 Command was: CREATE UNIQUE INDEX notes_tone ON public.notes USING btree (public.tone('canary'));"
            ),
            (PgErrorKind::ToolFailed, "something that is needed does not exist at UNIQUE INDEX notes_tone".into())
        );
        assert_eq!(reduce("sh: 1: nonsense canary"), (PgErrorKind::ToolFailed, "an error of no known class".into()));
    }
}
