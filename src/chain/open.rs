//! Opening and creating the file: who may, how, and what a file must look like before anything in it is read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::from_sqlite;
use super::hash::LedgerId;
use super::header::RawHeader;
use super::kind::EntryType;
use super::store::{Draft, Store};
use super::{Error, Result};

const SCHEMA: &str = include_str!("../../migrations/ledger/001_ledger.sql");
/// `application_id` of a ledger: "ledg".
const APPLICATION_ID: i64 = 0x6c65_6467;
/// `user_version`: the format.
const FORMAT: i64 = 1;
/// How long a writer waits for another before it says that the ledger is locked.
pub(super) const BUSY: Duration = Duration::from_secs(10);

impl Store {
    /// Makes a new ledger with its entry 0, by `actor`. An existing file is never touched; a half-made one never appears under the name.
    pub fn create(path: &Path, actor: &str) -> Result<Self> {
        if path.exists() {
            return Err(Error::Exists(path.to_owned()));
        }
        let folder = folder_of(path);
        let io = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => Error::ReadOnly(path.to_owned()),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
                Error::Full(path.to_owned())
            }
            _ => Error::Io { path: path.to_owned(), why: e.to_string() },
        };
        refuse_network(&folder, path)?;
        let beside = tempfile::Builder::new().prefix(".ledger-").suffix(".new").tempfile_in(&folder).map_err(io)?;
        {
            let sql = |e| from_sqlite(path, e);
            let conn = Connection::open(beside.path()).map_err(sql)?;
            configure(&conn).map_err(sql)?;
            conn.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
            conn.pragma_update(None, "user_version", FORMAT).map_err(sql)?;
            conn.pragma_update(None, "journal_mode", "WAL").map_err(sql)?;
            conn.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;")).map_err(sql)?;
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(|e| Error::Io { path: path.to_owned(), why: format!("no randomness: {e}") })?;
            let mut store = Self::over(conn, beside.path().to_owned(), LedgerId(id));
            let mut draft = Draft::new(EntryType::LedgerOpened, actor);
            draft.body.insert("ledger_id".into(), LedgerId(id).to_hex().into());
            store.append(draft)?;
            store.close()?;
        }
        beside.as_file().sync_all().map_err(io)?;
        // SQLite's -wal and -shm of the temporary name are gone: its only connection closed cleanly.
        set_plain_mode(beside.path()).map_err(io)?;
        beside.persist_noclobber(path).map_err(|e| io(e.error))?;
        std::fs::File::open(&folder).and_then(|f| f.sync_all()).map_err(io)?;
        Self::open(path)
    }

    /// Opens a ledger to read and append. Checks that the file is a ledger, not that its chain holds: see [`super::verify::Walk`].
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::NotFound(path.to_owned()));
        }
        refuse_network(&folder_of(path), path)?;
        let sql = |e| from_sqlite(path, e);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let real = path.canonicalize().map_err(|e| Error::Io { path: path.to_owned(), why: e.to_string() })?;
        let conn = Connection::open_with_flags(&real, flags).map_err(sql)?;
        configure(&conn).map_err(sql)?;
        check_is_ledger(&conn, path, true)?;
        let id = read_id(&conn, path)?;
        if conn.is_readonly("main").map_err(sql)? {
            return Err(Error::ReadOnly(path.to_owned()));
        }
        Ok(Self::over(conn, path.to_owned(), id))
    }

    /// Opens a ledger to read. In a folder that cannot be written it works as well: without a `-wal` as an immutable file, else on a private copy.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let (conn, copy) = connect_read_only(path)?;
        let id = read_id(&conn, path)?;
        let mut store = Self::over(conn, path.to_owned(), id);
        store.keep(copy);
        Ok(store)
    }

    /// Opens a ledger whose entries may be anything, to walk along them: an entry 0 that does not open a ledger is the walk's to name.
    pub fn open_to_verify(path: &Path) -> Result<Self> {
        let (conn, copy) = connect_read_only(path)?;
        let id = match read_id(&conn, path) {
            Ok(id) => id,
            Err(Error::Fault(_)) => LedgerId([0; 16]),
            Err(other) => return Err(other),
        };
        let mut store = Self::over(conn, path.to_owned(), id);
        store.keep(copy);
        Ok(store)
    }
}

/// A connection that writes neither the file nor beside it, and the private copy that it may be to.
fn connect_read_only(path: &Path) -> Result<(Connection, Option<tempfile::TempDir>)> {
    if !path.exists() {
        return Err(Error::NotFound(path.to_owned()));
    }
    let why = |e: std::io::Error| Error::Io { path: path.to_owned(), why: e.to_string() };
    let real = path.canonicalize().map_err(why)?;
    let wal = with_suffix(&real, "-wal");
    let folder = folder_of(&real);
    let sql = |e| from_sqlite(path, e);
    let writable = nix::unistd::access(&folder, nix::unistd::AccessFlags::W_OK).is_ok();
    let base = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let mut copy = None;
    let conn = if writable {
        Connection::open_with_flags(uri(&real, "mode=ro"), base)
    } else if !wal.exists() {
        Connection::open_with_flags(uri(&real, "mode=ro&immutable=1"), base)
    } else {
        let private = tempfile::Builder::new().prefix("ledger-read-").tempdir().map_err(why)?;
        let to = private.path().join("ledger.db");
        std::fs::copy(&real, &to).map_err(why)?;
        std::fs::copy(&wal, with_suffix(&to, "-wal")).map_err(why)?;
        let conn = Connection::open_with_flags(uri(&to, "mode=ro"), base);
        copy = Some(private);
        conn
    }
    .map_err(sql)?;
    configure_session(&conn).map_err(sql)?;
    check_is_ledger(&conn, path, false)?;
    Ok((conn, copy))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A `file:` URI with every byte escaped that is not plainly a path character.
fn uri(path: &Path, query: &str) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut out = String::from("file:");
    for &b in path.as_os_str().as_bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => out.push(char::from(b)),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    format!("{out}?{query}")
}

/// Temporary files are 0600; a ledger gets what the umask would give, as any file the user makes.
fn set_plain_mode(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let probe = path.with_extension("mode");
    std::fs::File::create_new(&probe)?;
    let mode = std::fs::metadata(&probe)?.permissions().mode() & 0o666;
    std::fs::remove_file(&probe)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn configure_session(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY)?;
    conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    configure_session(conn)?;
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; PRAGMA secure_delete = ON;")
}

type SchemaRow = (String, String, String, Option<String>);

fn schema_rows(conn: &Connection, what: &str) -> rusqlite::Result<Vec<SchemaRow>> {
    let mut statement =
        conn.prepare(&format!("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE {what} ORDER BY type, name LIMIT 200"))?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?.collect()
}

/// Tables and views with the names and types of their columns: what a reader relies on.
fn table_rows(conn: &Connection) -> rusqlite::Result<Vec<SchemaRow>> {
    let mut rows = schema_rows(conn, "type IN ('table', 'view')")?;
    for (_, name, _, sql) in &mut rows {
        let mut statement = conn.prepare("SELECT name || ' ' || type FROM pragma_table_info(?1) ORDER BY cid")?;
        let columns: Vec<String> = statement.query_map([&*name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        *sql = Some(columns.join(", "));
    }
    Ok(rows)
}

/// Whether the file is a ledger of this format. A writer demands the schema to the letter, triggers included; a reader fires no trigger and
/// demands the tables and their columns, so that a file whose triggers were dropped still gets its verdict.
fn check_is_ledger(conn: &Connection, path: &Path, exact: bool) -> Result<()> {
    let sql = |e| from_sqlite(path, e);
    let not = |why: String| Err(Error::NotALedger { path: path.to_owned(), why });
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sql)?;
    if application != APPLICATION_ID {
        return not("its application_id is another program's".into());
    }
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)?;
    if version != FORMAT {
        return not(format!("format {version}; this program knows format {FORMAT}"));
    }
    let rows = |conn: &Connection| if exact { schema_rows(conn, "true") } else { table_rows(conn) };
    let model = Connection::open_in_memory().and_then(|model| {
        model.execute_batch(SCHEMA)?;
        rows(&model)
    });
    // It calls itself a ledger, so what is missing was taken away: that is damage, not another program's file.
    if rows(conn).map_err(sql)? != model.map_err(sql)? {
        let why = "its tables or triggers are not those of the format".into();
        return Err(Error::Damaged { path: path.to_owned(), why });
    }
    Ok(())
}

fn read_id(conn: &Connection, path: &Path) -> Result<LedgerId> {
    let header: Option<Vec<u8>> = conn
        .query_row("SELECT header FROM entry WHERE seq = 0 AND length(header) <= 61440", [], |row| row.get(0))
        .map(Some)
        .or_else(|e| if e == rusqlite::Error::QueryReturnedNoRows { Ok(None) } else { Err(e) })
        .map_err(|e| from_sqlite(path, e))?;
    header
        .and_then(|bytes| RawHeader::read(0, &bytes).ok().and_then(|raw| raw.body_text("ledger_id")))
        .and_then(|hex| LedgerId::from_hex(&hex))
        .ok_or_else(|| super::Fault::new("MALFORMED(0)", "entry 0 does not open a ledger").into())
}

/// SQLite's locks and its shared memory do not hold on network file systems, so a chain there could fork.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn refuse_network(folder: &Path, path: &Path) -> Result<()> {
    let Ok(stat) = nix::sys::statfs::statfs(folder) else { return Ok(()) };
    match network_name(stat.filesystem_type().0 as u64) {
        Some(name) => Err(Error::NetworkFileSystem { path: path.to_owned(), name }),
        None => Ok(()),
    }
}

/// Names by the magic numbers of statfs(2), linux/magic.h. The number's low 32 bits count: some are sign-extended.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn network_name(magic: u64) -> Option<&'static str> {
    Some(match magic & 0xffff_ffff {
        0x6969 => "NFS",
        0x517b => "SMB",
        0xff53_4d42 => "CIFS",
        0xfe53_4d42 => "SMB2",
        0x0102_1997 => "9p",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x0bd0_0bd0 => "Lustre",
        0x00c3_6400 => "Ceph",
        0x4750_4653 => "GPFS",
        _ => return None,
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn network_file_systems_are_known_by_their_numbers() {
    assert_eq!(network_name(0x6969), Some("NFS"));
    assert_eq!(network_name(i64::from(0xff53_4d42_u32 as i32) as u64), Some("CIFS"), "sign-extended on 32-bit kernels");
    assert_eq!(network_name(0xef53), None, "ext4");
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn refuse_network(folder: &Path, path: &Path) -> Result<()> {
    use nix::sys::statfs::statfs;
    let Ok(stat) = statfs(folder) else { return Ok(()) };
    match stat.filesystem_type_name() {
        "nfs" | "smbfs" | "afpfs" | "webdav" => Err(Error::NetworkFileSystem { path: path.to_owned(), name: "remote" }),
        _ => Ok(()),
    }
}
