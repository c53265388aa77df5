//! Questions that no query answers: rows from versions, programs, variables and file systems. Pure but for what they are asked to look at.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::facts::Tls;
use crate::config;
use crate::domain::SubjectRow;
use crate::pg::dump::Tools;
use crate::pg::scratch::available;
use crate::steps::backup::human_bytes;

/// Majors that this tool's tests run on.
pub const TESTED_MAJORS: std::ops::RangeInclusive<i32> = 15..=18;

/// Whether the server's major is a tested one. `number` as `server_version_num` says: 150018 is 15.18.
pub fn server_version(version: &str, number: i32) -> SubjectRow {
    let expected = format!("PostgreSQL {} to {}", TESTED_MAJORS.start(), TESTED_MAJORS.end());
    SubjectRow::new("server", TESTED_MAJORS.contains(&(number / 10_000)), expected, format!("PostgreSQL {version}"))
}

/// Whether the connection is encrypted or stays on this machine. `address`: the server's; `None` is a unix socket.
pub fn connection(tls: Option<&Tls>, address: Option<&str>) -> SubjectRow {
    let expected = "TLS, a unix socket or a loopback address";
    let loopback = address.and_then(|address| address.parse::<IpAddr>().ok()).is_some_and(|address| address.is_loopback());
    let (ok, observed) = match (tls, address) {
        (Some(tls), _) => (true, format!("{}, {}", tls.protocol, tls.cipher)),
        (None, None) => (true, "local socket".to_owned()),
        (None, Some(_)) if loopback => (true, "unencrypted, loopback address".to_owned()),
        (None, Some(_)) => (false, "unencrypted over a network".to_owned()),
    };
    SubjectRow::new("connection", ok, expected, observed)
}

/// The pair of client programs, or why there is none.
pub fn client_tools(server_major: i32, config: &config::Backup) -> Vec<SubjectRow> {
    let expected = format!("version {server_major}, or newer");
    match Tools::find(server_major, config) {
        Ok(tools) => vec![
            SubjectRow::new("pg_dump", true, expected.clone(), format!("{} ({})", tools.version, tools.pg_dump.display())),
            SubjectRow::new("pg_restore", true, expected, format!("version {} ({})", tools.restore_major, tools.pg_restore.display())),
        ],
        Err(error) => vec![SubjectRow::new("pg_dump and pg_restore", false, expected, error.to_string())],
    }
}

/// Which of these variables are set. Their values are looked at for being empty and no further.
pub fn variables(names: &[String], value: impl Fn(&str) -> Option<OsString>) -> Vec<SubjectRow> {
    names
        .iter()
        .map(|name| {
            let set = value(name).is_some_and(|value| !value.is_empty());
            SubjectRow::new(name, set, "set", if set { "set" } else { "not set" })
        })
        .collect()
}

/// Room for the backup, and for scratch copies where the server's data folder can be seen.
pub fn free_space(backups: &Path, data: Option<PathBuf>, database_bytes: u64, factor: f64) -> Vec<SubjectRow> {
    let needed = (database_bytes as f64 * factor).ceil() as u64;
    let row = |subject: &str, folder: &Path| {
        let expected = format!("{} ({factor} × {})", human_bytes(needed), human_bytes(database_bytes));
        match available(folder) {
            Ok(free) => SubjectRow::new(subject, free >= needed, expected, format!("{} free", human_bytes(free))),
            Err(error) => SubjectRow::undecided(subject, expected, error.to_string()),
        }
    };
    let mut rows = vec![row("backup folder", backups)];
    rows.extend(data.map(|data| row("server's data folder", &data)));
    rows
}
