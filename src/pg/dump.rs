//! Backups by the server's own tools: found, run, listed, restored.

use std::path::{Path, PathBuf};

use super::{PgError, Target};
use crate::config;
use crate::domain::product::BackupFacts;

/// A `pg_dump`/`pg_restore` pair that fits the server.
#[derive(Clone, Debug)]
pub struct Tools {
    pub pg_dump: PathBuf,
    pub pg_restore: PathBuf,
    pub major: i32,
}

impl Tools {
    /// Finds the pair of the server's major (configured, PATH, the usual versioned folders), a newer one only if there is none.
    /// An older client is an error that names both versions.
    pub fn find(_server_major: i32, _config: &config::Backup) -> Result<Self, PgError> {
        Err(PgError::other("backups are not built yet"))
    }

    /// Dumps the target into `file` (custom format, 0600) from an exported snapshot in which catalog and data are fingerprinted.
    /// `restore_us` is left `None`. `shown` is the path to record.
    pub async fn dump(&self, _target: &Target, _file: &Path, _shown: &str, _config: &config::Backup) -> Result<BackupFacts, PgError> {
        Err(PgError::other("backups are not built yet"))
    }

    /// Restores the dump into an existing empty database.
    pub async fn restore(&self, _into: &Target, _file: &Path) -> Result<(), PgError> {
        Err(PgError::other("backups are not built yet"))
    }
}
