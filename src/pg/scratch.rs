//! Scratch databases: made from a backup, cloned by TEMPLATE, dropped at their last use; leftovers of a crashed run are found
//! by their lease and dropped only if they are ours.
//!
//! The lease is a random number that stands in the database's name and in its comment, and an advisory lock of that number which the pool's
//! keeper session holds: when a run dies, on whatever host, the server frees the lock, and the next run of the same role drops what it left.
//!
//! On a server other than the target's the roles that the target's database refers to are made first, under the same lease.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as SyncMutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::dump::{Tools, elapsed_us};
use super::roles::Roles;
use super::{Access, PgError, PgErrorKind, Session, Target};

/// Every scratch database's name begins so; `ledger_scratch_` and nothing else is ever dropped.
pub const PREFIX: &str = "ledger_scratch_";

/// Copies larger than this are cloned by FILE_COPY: through the WAL they would cost twice their size.
const FILE_COPY_FROM: i64 = 256 << 20;

/// Makes and drops scratch databases for one run.
pub struct ScratchPool {
    server: Target,
    /// The database that copies are made of: their encoding and locale, their size, the roles they refer to.
    source: Target,
    tools: Option<Tools>,
    state: Mutex<State>,
    application_name: SyncMutex<String>,
}

#[derive(Default)]
struct State {
    keeper: Option<Keeper>,
    /// Backup file → its untouched restored database.
    restored: BTreeMap<PathBuf, String>,
    /// Every database of ours that is not dropped yet.
    live: BTreeSet<String>,
    /// Roles that this run made on the scratch server.
    roles: Vec<String>,
    /// Databases made so far.
    made: u32,
}

/// The session that creates and drops, and whose end frees the lease.
struct Keeper {
    session: Arc<Session>,
    lease: i64,
}

/// What stands in the comment of a scratch database. Host, pid and time are for people.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    ledger_scratch: u32,
    lease: i64,
    host: String,
    pid: u32,
    made: String,
}

/// A scratch database of ours.
pub struct ScratchDb {
    target: Target,
}

impl ScratchPool {
    /// `server`: where scratch databases are made (the target's own server by default).
    pub fn new(server: Target, tools: Option<Tools>) -> Self {
        let application_name = SyncMutex::new(server.application_name().to_owned());
        Self { source: server.clone(), server, tools, state: Mutex::default(), application_name }
    }

    /// The same where `source` stands on another server than the scratch databases.
    #[must_use]
    pub fn of(self, source: Target) -> Self {
        Self { source, ..self }
    }

    /// Whether scratch databases stand on another server than what they are copies of.
    fn elsewhere(&self) -> bool {
        self.server.identity().system_identifier != self.source.identity().system_identifier
    }

    /// The name that sessions of scratch databases made from now on carry: `ledger/<run>/<task>`.
    pub fn set_application_name(&self, name: &str) {
        if let Ok(mut current) = self.application_name.lock() {
            name.clone_into(&mut current);
        }
    }

    /// Where scratch databases are made.
    pub fn server(&self) -> &Target {
        &self.server
    }

    /// The tools that restore, if any were found.
    pub fn tools(&self) -> Option<&Tools> {
        self.tools.as_ref()
    }

    /// A fresh database that holds the backup: restored once per backup file and kept untouched, then cloned by TEMPLATE.
    /// The second value is the time of the restore itself, microseconds, if this call did it.
    pub async fn copy_of(&self, backup: &Path, purpose: &str) -> Result<(ScratchDb, Option<i64>), PgError> {
        let mut state = self.state.lock().await;
        let path = backup.canonicalize().map_err(|error| PgError::other(format!("cannot open {}: {error}", backup.display())))?;
        let (restored, time) = match state.restored.get(&path) {
            Some(name) => (name.clone(), None),
            None => {
                let (db, time) = self.restore_into_new(&mut state, &path).await?;
                let name = self.close_untouched(&mut state, &db).await?;
                state.restored.insert(path, name.clone());
                (name, Some(time))
            }
        };
        Ok((self.make_clone(&mut state, &restored, purpose).await?, time))
    }

    /// The backup restored into a database of its own, to be looked at and then given to [`ScratchPool::keep`] or dropped; and the time of the
    /// restore, microseconds. So the first look at a backup costs no clone.
    pub async fn restored(&self, backup: &Path) -> Result<(ScratchDb, i64), PgError> {
        self.restore_into_new(&mut *self.state.lock().await, backup).await
    }

    /// Keeps what [`ScratchPool::restored`] gave as the untouched copy that [`ScratchPool::copy_of`] clones. Whoever looked at it has not written.
    pub async fn keep(&self, db: ScratchDb, backup: &Path) -> Result<(), PgError> {
        let mut state = self.state.lock().await;
        let path = backup.canonicalize().map_err(|error| PgError::other(format!("cannot open {}: {error}", backup.display())))?;
        let name = self.close_untouched(&mut state, &db).await?;
        state.restored.insert(path, name);
        Ok(())
    }

    async fn restore_into_new(&self, state: &mut State, backup: &Path) -> Result<(ScratchDb, i64), PgError> {
        let tools =
            self.tools.as_ref().ok_or_else(|| PgError::of_kind(PgErrorKind::NoTool, "no pg_restore that fits the server was found"))?;
        self.has_room(state).await?;
        let db = self.make_empty(state, "backup").await?;
        let clock = Instant::now();
        if let Err(error) = tools.restore(&db.target, backup).await {
            // Why it did not restore is the answer. What cannot be dropped now is dropped at the end, or found by its lease.
            let _ = self.drop_named(state, &db.target.identity().database).await;
            return Err(error);
        }
        Ok((db, elapsed_us(clock)))
    }

    /// Nobody gets into the untouched copy any more.
    async fn close_untouched(&self, state: &mut State, db: &ScratchDb) -> Result<String, PgError> {
        let name = db.target.identity().database.clone();
        let keeper = self.keeper(state).await?;
        keeper.session.batch(&format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await?;
        Ok(name)
    }

    /// An empty scratch database, with the encoding and locale of the server's target.
    pub async fn empty(&self, purpose: &str) -> Result<ScratchDb, PgError> {
        self.make_empty(&mut *self.state.lock().await, purpose).await
    }

    /// Another database equal to `db`, which must have no sessions.
    pub async fn clone_of(&self, db: &ScratchDb, purpose: &str) -> Result<ScratchDb, PgError> {
        self.make_clone(&mut *self.state.lock().await, &db.target.identity().database, purpose).await
    }

    /// Drops a scratch database (its sessions ended by force).
    pub async fn drop_db(&self, db: ScratchDb) -> Result<(), PgError> {
        self.drop_named(&mut *self.state.lock().await, &db.target.identity().database).await
    }

    /// Drops everything that is left.
    pub async fn close(&self) -> Result<(), PgError> {
        let mut state = self.state.lock().await;
        let mut failed = None;
        for name in std::mem::take(&mut state.live) {
            if let Err(error) = self.drop_named(&mut state, &name).await {
                failed = Some(error);
            }
        }
        if let Some(keeper) = &state.keeper {
            let session = Arc::clone(&keeper.session);
            for role in std::mem::take(&mut state.roles) {
                // Another run may be using it; the comment on it lets a later sweep find it.
                let _ = drop_role(&session, &role).await;
            }
        }
        state.restored.clear();
        state.keeper = None;
        failed.map_or(Ok(()), Err)
    }

    /// Drops scratch databases of ours whose run is dead; returns their names. Those of other roles are left alone.
    pub async fn sweep(&self) -> Result<Vec<String>, PgError> {
        let mut state = self.state.lock().await;
        let session = Arc::clone(&self.keeper(&mut state).await?.session);
        let rows = session
            .query(
                "SELECT d.datname::text, pg_catalog.shobj_description(d.oid, 'pg_database')
                 FROM pg_catalog.pg_database d
                 WHERE pg_catalog.starts_with(d.datname::text, $1) AND d.datdba = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER)",
                &[&PREFIX],
            )
            .await?;
        let mut dropped = Vec::new();
        for row in rows {
            let (name, comment): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
            // A run that died between making the database and commenting on it left its lease in the name.
            let Some(lease) = lease_of(comment.as_deref()).or_else(|| lease_in(&name)) else { continue };
            if !is_held(&session, lease).await? {
                self.drop_named(&mut state, &name).await?;
                dropped.push(name);
            }
        }
        if self.elsewhere() {
            let rows = session
                .query(
                    "SELECT r.rolname::text, pg_catalog.shobj_description(r.oid, 'pg_authid') FROM pg_catalog.pg_roles r
                     WHERE pg_catalog.shobj_description(r.oid, 'pg_authid') LIKE '%\"ledger\\_scratch\"%'",
                    &[],
                )
                .await?;
            for row in rows {
                let (name, comment): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
                let Some(lease) = lease_of(comment.as_deref()) else { continue };
                if !is_held(&session, lease).await? && drop_role(&session, &name).await.is_ok() {
                    dropped.push(format!("role {name}"));
                }
            }
        }
        Ok(dropped)
    }

    /// A copy must not fill the disk that others stand on: where the server's folder can be seen, there must be room for the restored copy and
    /// one clone of it.
    async fn has_room(&self, state: &mut State) -> Result<(), PgError> {
        let source = self.source.session(Access::ReadOnly).await?;
        let bytes: i64 = source.one("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", &[]).await?.try_get(0)?;
        let keeper = self.keeper(state).await?;
        let row = keeper
            .session
            .one("SELECT CASE WHEN pg_catalog.inet_server_addr() IS NULL THEN pg_catalog.current_setting('data_directory', true) END", &[])
            .await;
        // Who may not see where the server's files lie cannot look.
        let Some(folder) = row.ok().and_then(|row| row.try_get::<_, Option<String>>(0).ok().flatten()).map(PathBuf::from) else {
            return Ok(());
        };
        let Ok(free) = available(&folder) else { return Ok(()) };
        enough(u64::try_from(bytes).unwrap_or_default(), free)
    }

    async fn keeper<'a>(&self, state: &'a mut State) -> Result<&'a Keeper, PgError> {
        // A lease whose session was ended is free: taken again before somebody else clears up after us. What was made under it stays ours.
        let lost = state.keeper.take_if(|keeper| keeper.session.client().is_closed()).map(|keeper| keeper.lease);
        if state.keeper.is_none() {
            // Not in the target if it can be helped: CREATE DATABASE is no change to it, and should not look like one in its log.
            let maintenance = self.server.sibling("postgres");
            let session = match maintenance.session_with(Access::ReadWrite, 0, 30_000).await {
                Ok(session) => session,
                Err(_) => self.server.session_with(Access::ReadWrite, 0, 30_000).await?,
            };
            let lease = match lost {
                Some(lease) => lease,
                None => {
                    let mut bytes = [0u8; 8];
                    getrandom::fill(&mut bytes).map_err(|error| PgError::other(format!("no random numbers: {error}")))?;
                    i64::from_be_bytes(bytes)
                }
            };
            session.query("SELECT pg_catalog.pg_advisory_lock($1)", &[&lease]).await?;
            if lost.is_none() && self.elsewhere() {
                let roles = Roles::of(&self.source.session(Access::ReadOnly).await?).await?;
                state.roles = roles.bring(&session, &Lease::text(lease)?).await?;
            }
            state.keeper = Some(Keeper { session: Arc::new(session), lease });
        }
        state.keeper.as_ref().ok_or_else(|| PgError::other("no keeper session"))
    }

    async fn make_empty(&self, state: &mut State, purpose: &str) -> Result<ScratchDb, PgError> {
        // Columns differ between majors (daticulocale became datlocale in 17), so the row is asked as JSON.
        let row = self
            .source
            .session(Access::ReadOnly)
            .await?
            .one(
                "SELECT pg_catalog.concat_ws(' ',
                     pg_catalog.format('ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype),
                     CASE d.datlocprovider
                         WHEN 'i' THEN pg_catalog.format('LOCALE_PROVIDER icu ICU_LOCALE %L', COALESCE(j.o ->> 'datlocale', j.o ->> 'daticulocale'))
                         WHEN 'b' THEN pg_catalog.format('LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j.o ->> 'datlocale')
                         ELSE 'LOCALE_PROVIDER libc' END)
                 FROM pg_catalog.pg_database d, LATERAL (SELECT pg_catalog.to_jsonb(d) AS o) j WHERE d.datname = $1",
                &[&self.source.identity().database],
            )
            .await?;
        let locale: String = row.try_get(0)?;
        self.create(state, purpose, &format!("TEMPLATE template0 {locale}")).await
    }

    async fn make_clone(&self, state: &mut State, template: &str, purpose: &str) -> Result<ScratchDb, PgError> {
        let keeper = self.keeper(state).await?;
        let size: i64 = keeper.session.one("SELECT pg_catalog.pg_database_size($1::name)", &[&template]).await?.try_get(0)?;
        let strategy = if size > FILE_COPY_FROM { "FILE_COPY" } else { "WAL_LOG" };
        self.create(state, purpose, &format!("TEMPLATE {template} STRATEGY {strategy}")).await
    }

    async fn create(&self, state: &mut State, purpose: &str, how: &str) -> Result<ScratchDb, PgError> {
        let keeper = self.keeper(state).await?;
        let (session, lease) = (Arc::clone(&keeper.session), keeper.lease);
        state.made += 1;
        let name = new_name(purpose, lease, state.made);
        // Known to us before it exists, so that close() drops it whatever happens next.
        state.live.insert(name.clone());
        patiently(&session, &format!("CREATE DATABASE {name} {how}")).await?;
        let comment = Lease::text(lease)?;
        let row = session.one("SELECT pg_catalog.quote_literal($1::text)", &[&comment]).await?;
        session.batch(&format!("COMMENT ON DATABASE {name} IS {}", row.try_get::<_, String>(0)?)).await?;
        let application_name = self.application_name.lock().map(|name| name.clone()).unwrap_or_default();
        Ok(ScratchDb { target: self.server.sibling(&name).named(&application_name) })
    }

    async fn drop_named(&self, state: &mut State, name: &str) -> Result<(), PgError> {
        if !name.starts_with(PREFIX) {
            return Err(PgError::other(format!("{name} is not a scratch database and is not dropped")));
        }
        let session = Arc::clone(&self.keeper(state).await?.session);
        match session.batch(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await {
            Ok(()) => {}
            // FORCE may not end an autovacuum worker unless we are superuser; a plain DROP sends it away.
            Err(error) if error.is("42501") => patiently(&session, &format!("DROP DATABASE IF EXISTS {name}")).await?,
            Err(error) => return Err(error),
        }
        state.live.remove(name);
        state.restored.retain(|_, restored| restored != name);
        Ok(())
    }
}

impl ScratchDb {
    /// The scratch database as something to connect to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// A new connection to it.
    pub async fn session(&self, access: Access) -> Result<Session, PgError> {
        self.target.session(access).await
    }
}

/// A session that was closed a moment ago may still be leaving the template (55006): try again for ten seconds.
async fn patiently(session: &Session, sql: &str) -> Result<(), PgError> {
    let start = Instant::now();
    loop {
        match session.batch(sql).await {
            Err(error) if error.is("55006") && start.elapsed() < Duration::from_secs(10) => {
                tokio::time::sleep(Duration::from_millis(100)).await
            }
            done => return done,
        }
    }
}

/// `ledger_scratch_<purpose>_<lease, 16 hex digits>_<number>`: an identifier that needs no quotes, of at most 63 bytes, that no other run can make.
fn new_name(purpose: &str, lease: i64, number: u32) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let purpose: String = purpose.chars().map(plain).take(20).collect();
    format!("{PREFIX}{purpose}_{lease:016x}_{number}")
}

/// The lease in a name of ours.
fn lease_in(name: &str) -> Option<i64> {
    let (rest, number) = name.strip_prefix(PREFIX)?.rsplit_once('_')?;
    let (_, lease) = rest.rsplit_once('_')?;
    let ours = lease.len() == 16 && number.parse::<u32>().is_ok();
    ours.then(|| u64::from_str_radix(lease, 16).ok().map(|lease| lease as i64)).flatten()
}

fn lease_of(comment: Option<&str>) -> Option<i64> {
    serde_json::from_str::<Lease>(comment?).ok().map(|lease| lease.lease)
}

/// Whether the run of a lease lives. The lock shows in every database's `pg_locks`: its two halves are the number's.
async fn is_held(session: &Session, lease: i64) -> Result<bool, PgError> {
    let held = session
        .query(
            "SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
             AND (classid::bigint << 32 | objid::bigint) = $1",
            &[&lease],
        )
        .await?;
    Ok(!held.is_empty())
}

async fn drop_role(session: &Session, name: &str) -> Result<(), PgError> {
    session.batch(&format!("DROP ROLE IF EXISTS \"{}\"", name.replace('"', "\"\""))).await
}

/// Whether a database of so many bytes can be restored and cloned in what is free.
fn enough(bytes: u64, free: u64) -> Result<(), PgError> {
    let needed = bytes.saturating_mul(2);
    if free >= needed {
        return Ok(());
    }
    let gb = |bytes: u64| bytes as f64 / 1e9;
    let why = format!(
        "not begun: a restored copy and its clone need about {:.1} GB in the scratch server's data folder, {:.1} GB are free",
        gb(needed),
        gb(free)
    );
    Err(PgError::of_kind(PgErrorKind::ToolEnvironment, why))
}

/// What is available to us on the file system of a folder, or of its nearest parent that exists.
pub fn available(folder: &Path) -> std::io::Result<u64> {
    let existing = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let stat = nix::sys::statvfs::statvfs(existing)?;
    Ok((stat.blocks_available() as u64).saturating_mul(stat.fragment_size() as u64))
}

impl Lease {
    /// The comment of what this process makes under a lease.
    fn text(lease: i64) -> Result<String, PgError> {
        let lease = Self {
            ledger_scratch: 1,
            lease,
            host: nix::unistd::gethostname().map(|host| host.to_string_lossy().into_owned()).unwrap_or_default(),
            pid: std::process::id(),
            made: chrono::Utc::now().to_rfc3339(),
        };
        serde_json::to_string(&lease).map_err(|error| PgError::other(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_from_names_of_ours_alone() {
        for lease in [7, -7, i64::MIN, i64::MAX] {
            let name = new_name("CE-27 \"; DROP DATABASE postgres; --", lease, 12);
            assert!(name.len() <= 63 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
            assert_eq!(lease_in(&name), Some(lease), "{name}");
        }
        for name in [
            "ledger_scratch_mine",
            "ledger_scratch_a_00000000000000zz_1",
            "ledger_scratch_a_0000000000000007_x",
            "postgres",
            "ledger_scratch_a_7_1",
        ] {
            assert_eq!(lease_in(name), None, "{name}");
        }
    }

    #[test]
    fn a_copy_that_would_fill_the_disk_is_not_begun() {
        assert!(enough(5_000_000_000, 10_000_000_000).is_ok());
        let error = enough(5_000_000_000, 9_999_999_999).unwrap_err();
        assert_eq!(error.kind, PgErrorKind::ToolEnvironment);
        assert!(error.message.contains("need about 10.0 GB"), "{error}");
    }
}
