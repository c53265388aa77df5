//! Layouts of other tools: read, applied, reverted, applied again on a real PostgreSQL; and histories shared with the real tools.

mod support;

// Shared with tests/migrate.rs, which uses all of it.
#[path = "layouts/command.rs"]
mod command;
#[allow(dead_code)]
#[path = "migrate/day.rs"]
mod day;
#[path = "layouts/document.rs"]
mod document;
#[path = "layouts/fixtures.rs"]
mod fixtures;
#[path = "layouts/peers.rs"]
mod peers;
#[path = "layouts/read_only.rs"]
mod read_only;
#[path = "layouts/reading.rs"]
mod reading;
#[path = "layouts/refusals.rs"]
mod refusals;
#[path = "layouts/table.rs"]
mod table;
