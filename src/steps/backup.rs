//! A backup that is one: made from a snapshot, restored into a scratch database, compared to the row. Used before and after execution.

use std::path::PathBuf;

use serde_json::json;

use super::{Context, StepError, StepReport};
use crate::checks::ask::Asked;
use crate::checks::{Check, find};
use crate::domain::product::{BackupFacts, TableState};
use crate::domain::{Evidence, SubjectRow};
use crate::pg::data::{self, Position};
use crate::pg::dump::{Source, Tools, workers};
use crate::pg::scratch::available;
use crate::pg::{Access, Catalog, CatalogChange, PgError, PgErrorKind, ScratchDb};

/// The three checks of a backup, in order.
pub struct BackupChecks {
    pub made: &'static str,
    pub restores: &'static str,
    pub matches: &'static str,
}

/// A backup as far as it came.
pub struct Backed {
    /// `restore_us` is there when it was restored.
    pub facts: BackupFacts,
    /// What it was made of, in the dump's snapshot.
    pub source: Source,
    /// Where it lies.
    pub file: PathBuf,
    /// Restored, and equal to the source.
    pub holds: bool,
}

/// Makes `<backup folder>/<run>_<label>.dump`, restores and compares it; adds the evidence of the three checks. `None`: it was not made.
/// The restored copy stays in the scratch pool, so that a later `copy_of` the same file does not restore again.
pub async fn back_up(cx: &Context<'_>, label: &str, checks: &BackupChecks, report: &mut StepReport) -> Result<Option<Backed>, StepError> {
    let known = |code: &str| find(code).ok_or_else(|| StepError::cannot(format!("there is no check {code}")));
    let (made, restores, matches) = (known(checks.made)?, known(checks.restores)?, known(checks.matches)?);

    cx.progress.say("backup");
    let asked = Asked::now();
    let mut backed = match make(cx, label).await {
        Ok(backed) => backed,
        Err(error) => {
            cx.log.line(format!("backup not made: {error}"));
            report.evidence.push(failed(asked, made, "target", label, &error));
            for check in [restores, matches] {
                report.evidence.push(Asked::unmeasured().unanswered(check, "scratch", serde_json::Value::Null, "no backup was made"));
            }
            return Ok(None);
        }
    };
    let facts = &backed.facts;
    cx.log.line(format!("{}: {} bytes, {} entries, sha256 {}", facts.file, facts.bytes, facts.toc_entries, facts.sha256));
    let observed = format!("{}, {} entries, sha256 {}", human_bytes(facts.bytes), facts.toc_entries, &facts.sha256[..12]);
    let row = SubjectRow::new(
        &facts.file,
        facts.bytes > 0 && (facts.toc_entries > 0 || facts.tables.is_empty()),
        "an archive with contents",
        observed,
    );
    let row = row.with_detail(json!({ "sha256": facts.sha256, "bytes": facts.bytes, "tool": facts.tool, "dump_us": facts.dump_us }));
    report.evidence.push(asked.answered(made, "target", json!({ "label": label }), vec![row]));

    cx.progress.say("restore of the backup");
    let asked = Asked::now();
    let (copy, time) = match cx.scratch.restored(&backed.file).await {
        Ok(copied) => copied,
        Err(error) => {
            cx.log.line(format!("backup not restored: {error}"));
            report.evidence.push(failed(asked, restores, "scratch", &backed.facts.file, &error));
            report.evidence.push(Asked::unmeasured().unanswered(
                matches,
                "scratch",
                serde_json::Value::Null,
                "the backup could not be restored",
            ));
            return Ok(Some(backed));
        }
    };
    backed.facts.restore_us = Some(time);
    cx.log.line(format!("restored in {} ms", time / 1000));
    let keys =
        backed.source.catalog.objects.get("constraint").map_or(0, |all| all.values().filter(|d| d.starts_with("FOREIGN KEY")).count());
    let row = SubjectRow::new(&backed.facts.file, true, "restored without error", "restored without error")
        .with_detail(json!({ "restore_us": time, "foreign_keys_added_again": keys }));
    report.evidence.push(asked.answered(restores, "scratch", serde_json::Value::Null, vec![row]));

    cx.progress.say("comparison of the restored copy");
    let asked = Asked::now();
    let compared = compare(cx, &copy, &backed).await;
    cx.scratch.keep(copy, &backed.file).await?;
    match compared {
        Ok(rows) => {
            backed.holds = rows.iter().all(|row| row.ok == Some(true));
            if backed.holds
                && let Some(keep) = cx.config.backup.keep
            {
                match prune(&cx.project.path(&cx.config.backup.dir), keep, cx.run.as_str()) {
                    Ok(removed) if removed.is_empty() => {}
                    Ok(removed) => cx.log.line(format!("older backups removed, {keep} kept: {}", removed.join(", "))),
                    Err(error) => cx.log.line(format!("older backups could not be removed: {error}")),
                }
            }
            report.evidence.push(asked.answered(matches, "scratch", json!({ "excluded": cx.config.backup.exclude_schemas }), rows));
        }
        Err(error) => report.evidence.push(asked.unanswered(matches, "scratch", serde_json::Value::Null, error.to_string())),
    }
    Ok(Some(backed))
}

/// Restores a backup and compares the copy with what it was made of; the time of the restore goes into its facts. `Err`: it was not restored.
pub async fn proven(cx: &Context<'_>, backed: &mut Backed) -> Result<Vec<SubjectRow>, PgError> {
    let (copy, time) = cx.scratch.restored(&backed.file).await?;
    backed.facts.restore_us = Some(time);
    let rows = compare(cx, &copy, backed).await;
    cx.scratch.drop_db(copy).await?;
    let rows = rows?;
    backed.holds = rows.iter().all(|row| row.ok == Some(true));
    Ok(rows)
}

async fn make(cx: &Context<'_>, label: &str) -> Result<Backed, PgError> {
    let config = &cx.config.backup;
    let tools = match cx.scratch.tools() {
        Some(tools) => tools.clone(),
        None => Tools::find(cx.target.major(), config)?,
    };
    let folder = cx.project.path(&config.dir);
    // A rerun keeps the earlier backup: its digest stands in an earlier entry.
    let file = (1..)
        .map(|n| if n == 1 { format!("{}_{label}.dump", cx.run) } else { format!("{}_{label}-{n}.dump", cx.run) })
        .map(|name| folder.join(name))
        .find(|file| !file.exists())
        .ok_or_else(|| PgError::other("no free name for the backup"))?;
    let told = |news: &str| cx.progress.say(news);
    has_room(cx, &folder).await?;
    let (facts, source) = tools.dump_whole(cx.target, &file, &cx.project.shown(&file), config, &told).await?;
    Ok(Backed { facts, source, file, holds: false })
}

/// A dump must not fill the disk that it is written to: without the room that `free-space` asks for none is begun.
async fn has_room(cx: &Context<'_>, folder: &std::path::Path) -> Result<(), PgError> {
    let session = cx.target.session(Access::ReadOnly).await?;
    let bytes: i64 = session.one("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", &[]).await?.try_get(0)?;
    let needed = bytes as f64 * cx.config.require.free_space_factor.unwrap_or(1.0);
    match available(folder) {
        Ok(free) if (free as f64) < needed => Err(PgError::of_kind(
            PgErrorKind::ToolEnvironment,
            format!(
                "not begun: it may need {} in {}, {} are free ([require] free-space-factor says how much of the database's size)",
                human_bytes(needed as u64),
                cx.project.shown(folder),
                human_bytes(free)
            ),
        )),
        // Where it cannot be asked, the dump itself says when the disk is full.
        _ => Ok(()),
    }
}

/// A failure over the work itself is an answer; a privilege, a program or a connection that is missing here is none.
fn failed(asked: Asked, check: &Check, asked_of: &str, subject: &str, error: &PgError) -> Evidence {
    match error.kind {
        PgErrorKind::ToolFailed | PgErrorKind::Other if !error.disconnected => {
            let row = SubjectRow::new(subject, false, "done without error", error.to_string());
            asked.answered(check, asked_of, serde_json::Value::Null, vec![row])
        }
        _ => asked.unanswered(check, asked_of, serde_json::Value::Null, error.to_string()),
    }
}

async fn compare(cx: &Context<'_>, copy: &ScratchDb, backed: &Backed) -> Result<Vec<SubjectRow>, PgError> {
    let excluded = &cx.config.backup.exclude_schemas;
    let session = copy.target().session_with(Access::ReadOnly, 0, 5_000).await?;
    let restored = Catalog::read(&session, excluded).await?.as_dumped();
    let told = |done, all| cx.progress.say(&format!("comparison of the restored copy · {done} of {all} tables"));
    let states = data::table_states_of(copy.target(), excluded, workers(&cx.config.backup), None, &told).await?;
    let changes = backed.source.catalog.diff(&restored);
    for change in &changes {
        cx.log.line(format!("catalog: {}", briefly(change)));
    }
    let objects: usize = backed.source.catalog.objects.values().map(|objects| objects.len()).sum();
    let mut rows = vec![SubjectRow::new(
        "catalog",
        changes.is_empty(),
        format!("{objects} definitions as in the source"),
        match changes.len() {
            0 => format!("{objects} definitions as in the source"),
            n => format!("{n} differ: {}", changes.iter().take(5).map(briefly).collect::<Vec<_>>().join("; ")),
        },
    )];
    let reordered = backed.source.catalog.reordered(&restored);
    rows.extend(reordered.iter().map(|(table, was, is)| SubjectRow::new(format!("{table}: order of columns"), false, was, is)));
    rows.extend(table_rows(&backed.facts.tables, &states));
    let (large, copied) = (backed.source.large_objects.as_slice(), data::large_objects_alone(&session).await?);
    rows.extend(table_rows(large, copied.as_slice()));
    rows.extend(position_rows(&backed.source.positions, &data::positions(&session, excluded).await?));
    Ok(rows)
}

/// `policy public.clauses.own removed`: without the definitions, which may be long.
fn briefly(change: &CatalogChange) -> String {
    let what = match (&change.before, &change.after) {
        (_, None) => "missing in the copy",
        (None, _) => "only in the copy",
        _ => "different in the copy",
    };
    format!("{} {} {what}", change.kind, change.object)
}

/// One row per table of either side.
fn table_rows(source: &[TableState], copy: &[TableState]) -> Vec<SubjectRow> {
    let shown = |state: Option<&TableState>| match state {
        Some(state) => format!("{} rows, digest {}", state.rows, &state.digest[..12.min(state.digest.len())]),
        None => "no such table".to_owned(),
    };
    let of = |states: &[TableState], name: &str| states.iter().find(|state| state.table == name).cloned();
    let mut names: Vec<&String> = source.iter().chain(copy).map(|state| &state.table).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let (a, b) = (of(source, name), of(copy, name));
            SubjectRow::new(name, a.is_some() && a == b, shown(a.as_ref()), shown(b.as_ref()))
        })
        .collect()
}

/// One row for all sequences that stand in the copy where they stood while it was dumped, and one for each that does not. Their numbers are not told.
fn position_rows((before, after): &(Vec<Position>, Vec<Position>), copy: &[Position]) -> Vec<SubjectRow> {
    let expected = "where it stood while the dump was made";
    let of = |positions: &'_ [Position], name: &str| positions.iter().find(|position| position.sequence == name).cloned();
    let mut wrong = Vec::new();
    for first in before {
        let observed = match (of(after, &first.sequence), of(copy, &first.sequence)) {
            (_, None) => "no such sequence",
            // Dropped, or begun anew meanwhile: there is nothing to hold it against.
            (None, _) => continue,
            (Some(last), Some(copied))
                if first.cycles || !last.has_reached(first) || (copied.has_reached(first) && last.has_reached(&copied)) =>
            {
                continue;
            }
            (Some(_), Some(copied)) if copied.has_reached(first) => "ahead of it",
            _ => "behind it",
        };
        wrong.push(SubjectRow::new(format!("sequence {}", first.sequence), false, expected, observed));
    }
    if wrong.is_empty() && !before.is_empty() {
        let count = before.len();
        return vec![SubjectRow::new("sequences", true, format!("{count}, each {expected}"), format!("{count} equal"))];
    }
    wrong
}

/// Removes dumps of ours beyond the newest `keep` ones, never those of this run. Returns what was removed.
pub fn prune(folder: &std::path::Path, keep: usize, run: &str) -> std::io::Result<Vec<String>> {
    let ours = |name: &str| {
        let dump = name.strip_suffix(".dump");
        dump.is_some_and(|name| {
            name.starts_with("pre_rollback_") || (name.starts_with("staging_migration_") && name.contains("_migration"))
        })
    };
    let mut dumps = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let file = entry.metadata()?;
        if (file.is_file() || file.is_dir()) && ours(&name) {
            dumps.push((file.modified()?, name));
        }
    }
    dumps.sort();
    let many = dumps.len().saturating_sub(keep);
    let mut removed = Vec::new();
    for (_, name) in dumps.into_iter().take(many).filter(|(_, name)| !name.starts_with(&format!("{run}_"))) {
        crate::pg::unfinished::remove(&folder.join(&name))?;
        match std::fs::remove_file(crate::pg::frame::beside(&folder.join(&name))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        removed.push(name);
    }
    Ok(removed)
}

/// `48 MB`, decimal units.
pub fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..=999 => format!("{bytes} B"),
        1_000..=999_999 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_either_side_lacks_is_a_difference() {
        let state = |table: &str, rows: u64| TableState { table: table.into(), rows, digest: format!("{rows:064}") };
        let rows = table_rows(&[state("a", 1), state("b", 2), state("c", 3)], &[state("a", 1), state("b", 1), state("d", 4)]);
        let verdicts: Vec<_> = rows.iter().map(|row| (row.subject.as_str(), row.ok)).collect();
        assert_eq!(verdicts, [("a", Some(true)), ("b", Some(false)), ("c", Some(false)), ("d", Some(false))]);
    }

    #[test]
    fn a_sequence_may_stand_anywhere_between_the_two_readings_and_nowhere_else() {
        let at = |next: i128, increment: i64| Position { sequence: "s".into(), next, increment, cycles: false };
        let told = |before, after, copy| -> Vec<(Option<bool>, String)> {
            position_rows(&(vec![before], vec![after]), &[copy]).into_iter().map(|row| (row.ok, row.observed)).collect()
        };
        assert_eq!(told(at(5, 1), at(9, 1), at(7, 1))[0].0, Some(true));
        assert_eq!(told(at(-5, -1), at(-9, -1), at(-7, -1))[0].0, Some(true));
        assert_eq!(told(at(5, 1), at(5, 1), at(4, 1)), [(Some(false), "behind it".into())]);
        assert_eq!(told(at(5, 1), at(5, 1), at(6, 1)), [(Some(false), "ahead of it".into())]);
        assert_eq!(position_rows(&(vec![at(1, 1)], vec![at(1, 1)]), &[])[0].observed, "no such sequence");
    }

    #[test]
    fn only_old_dumps_of_ours_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "staging_migration_20260101_pre_migration.dump",
            "staging_migration_20260102_post_migration.dump",
            "pre_rollback_20260103T000000000Z.dump",
            "staging_migration_20260104_pre_migration.dump",
            "nightly.dump",
            "staging_migration_20260101_pre_migration.dump.gpg",
        ];
        for (day, name) in names.iter().enumerate() {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * (day as u64 + 1))).unwrap();
        }
        // The oldest is of this run and stays.
        assert_eq!(prune(folder.path(), 1, "staging_migration_20260101").unwrap(), [names[1], names[2]]);
        assert_eq!(prune(folder.path(), 1, "staging_migration_20260105").unwrap(), [names[0]]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn sizes_read_as_people_say_them() {
        assert_eq!([human_bytes(12), human_bytes(48_100_000), human_bytes(412_300)], ["12 B", "48 MB", "412 kB"]);
    }
}
