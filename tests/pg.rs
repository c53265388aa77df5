//! The PostgreSQL layer against real servers.
#![cfg(feature = "pg")]

mod support;

#[path = "pg/backup_faults.rs"]
mod backup_faults;
#[path = "pg/catalog.rs"]
mod catalog;
#[path = "pg/cluster.rs"]
mod cluster;
#[path = "pg/connect.rs"]
mod connect;
#[path = "pg/dump.rs"]
mod dump;
#[path = "pg/environment.rs"]
mod environment;
#[path = "pg/grown.rs"]
mod grown;
#[path = "pg/kinds.rs"]
mod kinds;
#[path = "pg/lost.rs"]
mod lost;
#[path = "pg/mutations.rs"]
mod mutations;
#[path = "pg/rows.rs"]
mod rows;
#[path = "pg/scratch.rs"]
mod scratch;
#[path = "steps_fk_integrity/world.rs"]
#[allow(dead_code)]
mod world;
