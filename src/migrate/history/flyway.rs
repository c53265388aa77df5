//! Flyway: `flyway_schema_history`, read and never written: its ranks and checksums are Flyway's own.

use super::{HistoryRow, spelled, utc};
use crate::migrate::layout::{Migration, MigrationSet, compare};
use crate::pg::{PgError, Session};

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    // `installed_on` has no time zone: it is the server's local time, and shown as such.
    let sql = format!(
        "SELECT version::text, description::text, type::text, checksum::text, {}, execution_time, success
         FROM {} ORDER BY installed_rank",
        utc("installed_on::pg_catalog.timestamptz"),
        set.history()
    );
    let mut applied: Vec<HistoryRow> = Vec::new();
    for row in session.query(&sql, &[]).await? {
        let (version, description, kind): (Option<String>, String, String) = (row.get(0), row.get(1), row.get(2));
        if !row.get::<_, bool>(6) {
            let what = version.unwrap_or(description);
            return Err(PgError::other(format!("Flyway's history says that {what} failed. Mend the database, then run `flyway repair`")));
        }
        let Some(version) = version.map(|version| spelled(set, version)) else {
            repeatable(set, &mut applied, description, row.get(3), row.get(4));
            continue;
        };
        applied.retain(|row| row.version != version);
        if kind.starts_with("UNDO") || kind == "DELETE" {
            continue;
        }
        if kind.ends_with("BASELINE") {
            let before = set.migrations.iter().filter(|m| compare(&m.version, &version).is_lt());
            applied.extend(before.map(|m| HistoryRow { run: "baseline".into(), ..HistoryRow::bare(m.version.as_str(), m.name.as_str()) }));
        }
        let checksum = row.get::<_, Option<String>>(3).filter(|_| !kind.ends_with("BASELINE"));
        let execution_us = i64::from(row.get::<_, i32>(5)) * 1_000;
        let name = if kind.ends_with("BASELINE") { super::name_of(set, &version).to_owned() } else { description };
        applied.push(HistoryRow { checksum, execution_us, ..HistoryRow::bare(version, name).at(row.get(4)) });
    }
    Ok(applied)
}

/// A repeatable migration counts as applied as long as its checksum is the one of the file; else Flyway runs it again.
fn repeatable(set: &MigrationSet, applied: &mut Vec<HistoryRow>, description: String, checksum: Option<String>, at: Option<String>) {
    let version = format!("R__{description}");
    applied.retain(|row| row.version != version);
    let changed = |m: &Migration| m.version == version && m.checksum != checksum;
    if !set.migrations.iter().any(changed) {
        applied.push(HistoryRow { checksum, ..HistoryRow::bare(version, description).at(at) });
    }
}
