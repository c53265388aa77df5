//! What the target is like after the last file, and the backup of it.

use chrono::Utc;
use serde_json::{Value, json};

use super::Ran;
use crate::checks::{self, ask::Asked, ask::ask};
use crate::domain::SubjectRow;
use crate::domain::product::{BackupFacts, TableState};
use crate::migrate::SchemaState;
use crate::migrate::layout::{compare, same};
use crate::migrate::rehearse::Proved;
use crate::pg::catalog::table_states;
use crate::pg::dump::Tools;
use crate::pg::{Access, Catalog, PgError, Session};
use crate::steps::{Context, StepError, StepReport, probe, unanswered};

const MADE: &str = "post-migration-backup-made";
const RESTORES: &str = "post-migration-backup-restores";

/// Version, history and indexes.
pub async fn consistent(
    session: &Session,
    report: &mut StepReport,
    ran: &Ran<'_>,
    (after, read): (&SchemaState, &Asked),
) -> Result<(), StepError> {
    let last = ran.up_to.or(ran.set.last_version()).unwrap_or_default();
    let version = after.version().unwrap_or("none");
    // A lost connection says nothing of the files: how far they would have come is not known.
    let failed = ran.proved.iter().filter_map(Proved::failure).find(|failure| !failure.decides());
    let cut_off = failed.map(|failure| format!("cut off at {}", failure.subject())).or(ran.stopped.clone());
    let row = match cut_off.filter(|_| !same(version, last)) {
        Some(why) => SubjectRow::undecided("schema version", last, format!("{version}: {why}")),
        None => SubjectRow::new("schema version", same(version, last), last, version),
    };
    probe(report, "schema-version-updated", read.clone(), "target", Value::Null, vec![row])?;

    let recorded = match after {
        SchemaState::History(rows) => rows.as_slice(),
        _ => &[],
    };
    let mut rows: Vec<SubjectRow> = Vec::new();
    for migration in ran.set.migrations.iter().filter(|m| compare(&m.version, version).is_le()) {
        let expected = "recorded with the file's digest";
        rows.push(match recorded.iter().find(|row| same(&row.version, &migration.version)) {
            None => SubjectRow::new(&migration.up.file, false, expected, "not in the history"),
            Some(row) => {
                let right = row.name == migration.name && row.up_sha256.as_ref().is_none_or(|sha| *sha == migration.up.sha256);
                let observed = match right {
                    true => format!("applied at {} by {}", row.applied_at, row.run),
                    false => format!("recorded as {} with another name or digest", row.name),
                };
                SubjectRow::new(&migration.up.file, right, expected, observed)
            }
        });
    }
    for row in recorded.iter().filter(|row| ran.set.find(&row.version).is_none()) {
        rows.push(SubjectRow::new(format!("{} {}", row.version, row.name), false, "a file in the folder", "no such file"));
    }
    probe(report, "history-consistent", read.clone(), "target", Value::Null, rows)?;

    let check = checks::find("invalid-index-left").ok_or_else(|| StepError::cannot("there is no check invalid-index-left"))?;
    report.evidence.push(ask(session, check, Value::Null, "target").await);
    Ok(())
}

/// Says that no backup was made, and why.
pub fn no_backup(report: &mut StepReport, why: &str) -> Result<Option<BackupFacts>, StepError> {
    for code in [MADE, RESTORES] {
        unanswered(report, code, Asked::unmeasured(), "target", why)?;
    }
    Ok(None)
}

/// Dumps the migrated target, restores the dump, compares; writes the state and the backup's facts.
pub async fn backup(
    cx: &Context<'_>,
    report: &mut StepReport,
    catalog: &Catalog,
    version: Option<&str>,
) -> Result<Option<BackupFacts>, StepError> {
    let config = &cx.config.backup;
    let asked = Asked::now();
    cx.progress.say("backing up the migrated target");
    let name = format!("{}_post_migration_{}.dump", cx.run, Utc::now().format("%Y%m%dT%H%M%S%3fZ"));
    let file = cx.project.path(&config.dir).join(name);
    let shown = cx.project.shown(&file);
    let made = match Tools::find(cx.target.major(), config) {
        Ok(tools) => tools.dump_with_catalog(cx.target, &file, &shown, config).await,
        Err(error) => Err(error),
    };
    let (mut facts, dumped) = match made {
        Ok(made) => made,
        Err(error) => {
            cx.log.line(format!("post-migration backup: {error}"));
            unanswered(report, MADE, asked, "target", error.to_string())?;
            unanswered(report, RESTORES, Asked::unmeasured(), "target", "there is no backup")?;
            return Ok(None);
        }
    };
    cx.log.line(format!("post-migration backup {shown}: {} bytes, sha256 {}, {} us", facts.bytes, facts.sha256, facts.dump_us));
    let observed = format!("{} bytes, {} entries, sha256 {}", facts.bytes, facts.toc_entries, facts.sha256);
    let row = SubjectRow::new(&shown, facts.bytes > 0 && facts.toc_entries > 0, "a dump with contents", observed);
    probe(report, MADE, asked, "target", Value::Null, vec![row])?;

    cx.progress.say("restoring the post-migration backup");
    let asked = Asked::now();
    match restored(cx, &file, &facts, &dumped).await {
        Ok((rows, restore_us)) => {
            facts.restore_us = restore_us;
            probe(report, RESTORES, asked, "scratch: restored post-migration backup", Value::Null, rows)?;
        }
        Err(error) => {
            cx.log.line(format!("post-migration backup could not be restored: {error}"));
            match error.sqlstate.is_none() && error.disconnected {
                true => unanswered(report, RESTORES, asked, "scratch", error.to_string())?,
                false => {
                    let row = SubjectRow::new(&shown, false, "restores", error.to_string());
                    probe(report, RESTORES, asked, "scratch", Value::Null, vec![row])?;
                }
            }
        }
    }
    let kinds: std::collections::BTreeMap<&String, usize> = catalog.objects.iter().map(|(kind, objects)| (kind, objects.len())).collect();
    let state = json!({ "schema_version": version, "catalog": facts.catalog, "objects": kinds, "tables": facts.tables });
    report.attach_json("post_migration_state.json", &state);
    report.attach_json("post_backup_metadata.json", &facts);
    Ok(Some(facts))
}

async fn restored(
    cx: &Context<'_>,
    file: &std::path::Path,
    facts: &BackupFacts,
    dumped: &Catalog,
) -> Result<(Vec<SubjectRow>, Option<i64>), PgError> {
    let (db, restore_us) = cx.scratch.copy_of(file, "post-migration").await?;
    let read = async {
        let session = db.session(Access::ReadOnly).await?;
        let catalog = Catalog::read(&session, &cx.config.backup.exclude_schemas).await?.as_dumped();
        Ok::<_, PgError>((catalog, table_states(&session, &cx.config.backup.exclude_schemas).await?))
    }
    .await;
    if let Err(error) = cx.scratch.drop_db(db).await {
        cx.log.line(format!("the scratch database is left behind: {error}"));
    }
    let (catalog, tables) = read?;
    let fingerprint = catalog.fingerprint();
    let same_catalog = fingerprint == facts.catalog;
    let observed = match same_catalog {
        true => fingerprint,
        false => {
            let differences: Vec<String> = dumped.diff(&catalog).iter().map(ToString::to_string).collect();
            let more = if differences.len() > 5 { format!("; {} more", differences.len() - 5) } else { String::new() };
            format!("another: {fingerprint}; {}{more}", differences[..differences.len().min(5)].join("; "))
        }
    };
    let mut rows = vec![SubjectRow::new("catalog", same_catalog, &facts.catalog, observed)];
    rows.extend(facts.tables.iter().map(|before| table_row(before, tables.iter().find(|after| after.table == before.table))));
    Ok((rows, restore_us))
}

fn table_row(before: &TableState, after: Option<&TableState>) -> SubjectRow {
    let shown = |state: &TableState| format!("{} rows, digest {}", state.rows, state.digest.get(..12).unwrap_or(&state.digest));
    match after {
        None => SubjectRow::new(&before.table, false, shown(before), "not restored"),
        Some(after) => SubjectRow::new(&before.table, before == after, shown(before), shown(after)),
    }
}
