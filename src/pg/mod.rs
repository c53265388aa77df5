//! PostgreSQL: connecting, sessions, the target's identity, catalog snapshots, dumps, scratch databases, a throwaway cluster.
//!
//! Everything that leaves this module towards a record has gone through [`PgError`], which keeps SQLSTATE, object and position
//! and drops what may carry row values.

pub mod catalog;
pub mod cluster;
pub mod connect;
pub mod data;
pub mod dump;
pub mod error;
pub mod frame;
mod normal;
pub mod programs;
mod roles;
pub mod rows;
pub mod scratch;
pub mod session;
pub mod target;
mod tool;
pub mod unfinished;

pub use catalog::{Catalog, CatalogChange};
pub use cluster::{Cluster, ClusterError, ClusterOptions};
pub use connect::ConnectSpec;
pub use error::{PgError, PgErrorKind};
pub use scratch::{ScratchDb, ScratchPool};
pub use session::{Access, Session, SessionOptions};
pub use target::Target;
