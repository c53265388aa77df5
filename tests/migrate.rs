//! Migrations against a real PostgreSQL: layouts read, files run, failures named, the way back taken.

#[path = "migrate/run.rs"]
mod run;
mod support;
