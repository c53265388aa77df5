//! The demo's stage: a throwaway server with the reference staging application at version 001, laid out as a project.
//!
//! First a cluster of its own, roles, and a database owned by the migrating role. Then migration 001 through the same runner as any
//! other, so that its history exists, and data of three tenants. Last a folder that is an ordinary project.
//!
//! Faults are planted here and nowhere else, from outside: in files before the run, in data between two tasks, in the client
//! program that ledger.toml names. No step knows of them.

pub mod fault;
pub mod files;
pub mod people;
pub mod play;
mod project;

use std::path::{Path, PathBuf};

use crate::migrate::{ApplyOptions, LayoutError, MigrationSet, apply_to};
use crate::pg::cluster::{Cluster, ClusterError, ClusterOptions};
use crate::pg::{Access, ConnectSpec, PgError, Session, Target};

pub use fault::{FAULTS, Fault};
pub use project::{lay_out, set_aside};

/// The database under test.
pub const DATABASE: &str = "contracts_staging";
/// The role that owns it and runs the plan.
pub const MIGRATOR: &str = "migrator";
/// Clauses of each tenant, when nothing else is said; the other tables follow (`seed.sql`).
pub const ROWS: u32 = 25_000;
/// The version that staging starts at.
const BASE_VERSION: &str = "001";
/// What the history says about who applied it.
const SET_UP: &str = "set-up";

/// Why the stage could not be set.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("{what}: {source}")]
    Pg { what: &'static str, source: PgError },
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("the demo's migrations cannot be read: {0}")]
    Layout(#[from] LayoutError),
    #[error("migration {BASE_VERSION} of the demo did not run: {0}")]
    Migration(String),
    #[error(transparent)]
    Key(#[from] crate::sign::SignError),
    #[error(transparent)]
    Publish(#[from] crate::publish::PublishError),
    #[error(transparent)]
    Package(#[from] crate::package::Problem),
    /// The folder is somebody's.
    #[error("{0} exists and is not empty")]
    Occupied(PathBuf),
    /// A fault whose place in the files is gone: a bug in the table of faults.
    #[error("fault {fault}: {file} does not have the text to replace")]
    Unplantable { fault: &'static str, file: String },
}

impl DemoError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cluster(error) => Some(error.hint()),
            Self::Occupied(_) => Some("name another folder with --out, or replace this one with --force".to_owned()),
            _ => None,
        }
    }
}

/// A server with staging on it. Dropping it stops the server and removes its data.
#[derive(Debug)]
pub struct Stage {
    cluster: Cluster,
}

impl Stage {
    /// Starts the server and fills staging: `rows` clauses for each tenant.
    pub async fn set(rows: u32) -> Result<Self, DemoError> {
        Self::set_on(&ClusterOptions::default(), rows).await
    }

    /// The same on a server of the caller's choice: another major, other settings.
    pub async fn set_on(options: &ClusterOptions, rows: u32) -> Result<Self, DemoError> {
        let stage = Self { cluster: Cluster::start(options)? };
        stage.fill(rows).await?;
        Ok(stage)
    }

    /// The URL of staging for the migrating role. It holds no secret: the socket's folder is closed to others.
    pub fn url(&self) -> String {
        self.cluster.url_as(MIGRATOR, DATABASE)
    }

    /// The server, for what only a superuser may.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Stops the server and removes its data.
    pub fn stop(self) -> Result<(), DemoError> {
        Ok(self.cluster.stop()?)
    }

    /// Runs a script on staging as superuser, outside every step: for planting faults.
    pub async fn as_superuser(&self, script: &str) -> Result<(), DemoError> {
        let (_target, session) = open(&self.cluster.url(DATABASE), "demo").await?;
        session.batch(script).await.map_err(pg("a fault could not be planted"))
    }

    async fn fill(&self, rows: u32) -> Result<(), DemoError> {
        let (_target, admin) = open(&self.cluster.url("postgres"), "demo set-up").await?;
        admin.batch(files::ROLES).await.map_err(pg("the demo's roles could not be made"))?;
        admin.batch(&format!("CREATE DATABASE {DATABASE} OWNER {MIGRATOR}")).await.map_err(pg("the demo's database could not be made"))?;

        let folder = tempfile::tempdir().map_err(|source| DemoError::Io { what: "cannot make a temporary folder".into(), source })?;
        project::write(folder.path(), files::MIGRATIONS)?;
        let set = MigrationSet::read(&folder.path().join("migrations"), "auto")?;
        let (_target, session) = open(&self.url(), "demo set-up").await?;
        let options = ApplyOptions::of(&crate::config::Migrations::default(), SET_UP);
        let applied = apply_to(&session, &set, Some(BASE_VERSION), &options).await.map_err(pg("migration 001 of the demo did not run"))?;
        if let Some(failure) = applied.iter().find_map(|one| one.failure.as_ref()) {
            return Err(DemoError::Migration(failure.to_string()));
        }
        let seed = format!("SET ledger_demo.rows = {rows};\n{}", files::SEED);
        // The runner leaves its own settings behind; the seed gets a session of its own.
        let (_target, session) = open(&self.url(), "demo set-up").await?;
        session.batch(&seed).await.map_err(pg("the demo's data could not be written"))
    }
}

async fn open(url: &str, name: &str) -> Result<(Target, Session), DemoError> {
    let failed = |source| DemoError::Pg { what: "the demo's own server does not answer", source };
    let target = Target::open(ConnectSpec::parse(url).map_err(failed)?, &format!("ledger/{name}")).await.map_err(failed)?;
    let session = target.session_with(Access::ReadWrite, 0, 0).await.map_err(failed)?;
    Ok((target, session))
}

fn pg(what: &'static str) -> impl Fn(PgError) -> DemoError {
    move |source| DemoError::Pg { what, source }
}

/// Whether a folder can take the project: absent or empty.
pub fn is_free(folder: &Path) -> bool {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
