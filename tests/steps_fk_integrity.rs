//! Foreign keys, integrity, suites, commands and readiness against a real PostgreSQL.
#![cfg(feature = "pg")]

mod support;

#[path = "steps_fk_integrity/catalogue.rs"]
mod catalogue;
#[path = "steps_fk_integrity/commands.rs"]
mod commands;
#[path = "steps_fk_integrity/foreign_keys.rs"]
mod foreign_keys;
#[path = "steps_fk_integrity/integrity.rs"]
mod integrity;
#[path = "steps_fk_integrity/readiness.rs"]
mod readiness;
#[path = "steps_fk_integrity/world.rs"]
mod world;
