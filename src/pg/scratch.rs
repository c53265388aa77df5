//! Scratch databases: made from a backup, cloned by TEMPLATE, dropped at their last use; leftovers of a crashed run are found
//! by their lease and dropped only if they are ours.
//!
//! The lease is a comment on the database with a random number, and an advisory lock of that number which the pool's keeper session holds:
//! when a run dies, on whatever host, the server frees the lock, and the next run of the same role drops what it left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as SyncMutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::dump::{Tools, elapsed_us};
use super::{Access, PgError, PgErrorKind, Session, Target};

/// Every scratch database's name begins so; `ledger_scratch_` and nothing else is ever dropped.
pub const PREFIX: &str = "ledger_scratch_";

/// Copies larger than this are cloned by FILE_COPY: through the WAL they would cost twice their size.
const FILE_COPY_FROM: i64 = 256 << 20;

/// Makes and drops scratch databases for one run.
pub struct ScratchPool {
    server: Target,
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
        Self { server, tools, state: Mutex::default(), application_name }
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
                let tools = self
                    .tools
                    .as_ref()
                    .ok_or_else(|| PgError::of_kind(PgErrorKind::NoTool, "no pg_restore that fits the server was found"))?;
                let db = self.make_empty(&mut state, "backup").await?;
                let name = db.target.identity().database.clone();
                let clock = Instant::now();
                if let Err(error) = tools.restore(&db.target, &path).await {
                    self.drop_named(&mut state, &name).await?;
                    return Err(error);
                }
                let time = elapsed_us(clock);
                // Nobody gets into the untouched copy any more.
                let keeper = self.keeper(&mut state).await?;
                keeper.session.batch(&format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await?;
                state.restored.insert(path, name.clone());
                (name, Some(time))
            }
        };
        Ok((self.make_clone(&mut state, &restored, purpose).await?, time))
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
            let Some(lease) = comment.and_then(|text| serde_json::from_str::<Lease>(&text).ok()) else { continue };
            // The lock shows in every database's pg_locks: its two halves are the number's.
            let held = session
                .query(
                    "SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
                     AND (classid::bigint << 32 | objid::bigint) = $1",
                    &[&lease.lease],
                )
                .await?;
            if held.is_empty() {
                self.drop_named(&mut state, &name).await?;
                dropped.push(name);
            }
        }
        Ok(dropped)
    }

    async fn keeper<'a>(&self, state: &'a mut State) -> Result<&'a Keeper, PgError> {
        if state.keeper.is_none() {
            // Not in the target if it can be helped: CREATE DATABASE is no change to it, and should not look like one in its log.
            let maintenance = self.server.sibling("postgres");
            let session = match maintenance.session_with(Access::ReadWrite, 0, 30_000).await {
                Ok(session) => session,
                Err(_) => self.server.session_with(Access::ReadWrite, 0, 30_000).await?,
            };
            let mut bytes = [0u8; 8];
            getrandom::fill(&mut bytes).map_err(|error| PgError::other(format!("no random numbers: {error}")))?;
            let lease = i64::from_be_bytes(bytes);
            session.query("SELECT pg_catalog.pg_advisory_lock($1)", &[&lease]).await?;
            state.keeper = Some(Keeper { session: Arc::new(session), lease });
        }
        state.keeper.as_ref().ok_or_else(|| PgError::other("no keeper session"))
    }

    async fn make_empty(&self, state: &mut State, purpose: &str) -> Result<ScratchDb, PgError> {
        let keeper = self.keeper(state).await?;
        // Columns differ between majors (daticulocale became datlocale in 17), so the row is asked as JSON.
        let row = keeper
            .session
            .one(
                "SELECT pg_catalog.concat_ws(' ',
                     pg_catalog.format('ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype),
                     CASE d.datlocprovider
                         WHEN 'i' THEN pg_catalog.format('LOCALE_PROVIDER icu ICU_LOCALE %L', COALESCE(j.o ->> 'datlocale', j.o ->> 'daticulocale'))
                         WHEN 'b' THEN pg_catalog.format('LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j.o ->> 'datlocale')
                         ELSE 'LOCALE_PROVIDER libc' END)
                 FROM pg_catalog.pg_database d, LATERAL (SELECT pg_catalog.to_jsonb(d) AS o) j WHERE d.datname = $1",
                &[&self.server.identity().database],
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
        let name = new_name(purpose)?;
        let keeper = self.keeper(state).await?;
        let (session, lease) = (Arc::clone(&keeper.session), keeper.lease);
        // Known to us before it exists, so that close() drops it whatever happens next.
        state.live.insert(name.clone());
        patiently(&session, &format!("CREATE DATABASE {name} {how}")).await?;
        let lease = Lease {
            ledger_scratch: 1,
            lease,
            host: nix::unistd::gethostname().map(|host| host.to_string_lossy().into_owned()).unwrap_or_default(),
            pid: std::process::id(),
            made: chrono::Utc::now().to_rfc3339(),
        };
        let comment = serde_json::to_string(&lease).map_err(|error| PgError::other(error.to_string()))?;
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

/// `ledger_scratch_<purpose>_<16 hex digits>`: an identifier that needs no quotes, of at most 63 bytes.
fn new_name(purpose: &str) -> Result<String, PgError> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| PgError::other(format!("no random numbers: {error}")))?;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let purpose: String = purpose.chars().map(plain).take(24).collect();
    Ok(format!("{PREFIX}{purpose}_{}", hex::encode(bytes)))
}
