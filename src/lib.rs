//! `ledger`: evidence for database migrations.
//!
//! ```text
//! cli ─► run ─► steps ─► checks, migrate ─► pg ─► domain
//!  │      └───► record ─► chain ─► domain
//!  └─► publish ─► report, package, sign ─► record, chain
//! ```
//! Never: report, package or publish → pg or steps; chain → pg; domain → anything; steps → chain or cli.

pub mod chain;
pub mod checks;
pub mod cli;
pub mod config;
#[cfg(feature = "pg")]
pub mod demo;
pub mod domain;
#[cfg(feature = "pg")]
pub mod migrate;
pub mod package;
#[cfg(feature = "pg")]
pub mod pg;
pub mod publish;
pub mod record;
pub mod redact;
pub mod report;
#[cfg(feature = "pg")]
pub mod run;
pub mod sign;
#[cfg(feature = "pg")]
pub mod steps;
