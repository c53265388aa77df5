//! Scratch databases: made from a backup, cloned by TEMPLATE, dropped at their last use; leftovers of a crashed run are found
//! by their lease and dropped only if they are ours.

use std::path::Path;

use super::dump::Tools;
use super::{Access, PgError, Session, Target};

/// Makes and drops scratch databases for one run.
pub struct ScratchPool {
    server: Target,
    tools: Option<Tools>,
}

/// A scratch database of ours.
pub struct ScratchDb {
    target: Target,
}

impl ScratchPool {
    /// `server`: where scratch databases are made (the target's own server by default).
    pub fn new(server: Target, tools: Option<Tools>) -> Self {
        Self { server, tools }
    }

    /// A fresh database that holds the backup: restored once per backup file and kept untouched, then cloned by TEMPLATE.
    /// The second value is the time of the restore itself, microseconds, if this call did it.
    pub async fn copy_of(&self, _backup: &Path, _purpose: &str) -> Result<(ScratchDb, Option<i64>), PgError> {
        let _ = (&self.server, &self.tools);
        Err(PgError::other("scratch databases are not built yet"))
    }

    /// An empty scratch database.
    pub async fn empty(&self, _purpose: &str) -> Result<ScratchDb, PgError> {
        Err(PgError::other("scratch databases are not built yet"))
    }

    /// Another database equal to `db`, which must have no sessions.
    pub async fn clone_of(&self, _db: &ScratchDb, _purpose: &str) -> Result<ScratchDb, PgError> {
        Err(PgError::other("scratch databases are not built yet"))
    }

    /// Drops a scratch database (its sessions ended by force).
    pub async fn drop_db(&self, _db: ScratchDb) -> Result<(), PgError> {
        Err(PgError::other("scratch databases are not built yet"))
    }

    /// Drops everything that is left.
    pub async fn close(&self) -> Result<(), PgError> {
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
