//! Migrations against a real PostgreSQL: layouts read, files run, failures named, the way back taken.

#[path = "migrate/run.rs"]
mod run;
mod support;

#[path = "migrate/day.rs"]
mod day;
#[path = "migrate/execute.rs"]
mod execute;
#[path = "migrate/lost.rs"]
mod lost;
#[path = "migrate/psql.rs"]
mod psql;
#[path = "migrate/reference.rs"]
mod reference;
#[path = "migrate/resume.rs"]
mod resume;
#[path = "migrate/rollback.rs"]
mod rollback;
#[path = "migrate/scripts.rs"]
mod scripts;
#[path = "migrate/trace.rs"]
mod trace;
#[path = "migrate/wrong_ways_back.rs"]
mod wrong_ways_back;
