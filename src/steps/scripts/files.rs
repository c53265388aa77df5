//! What the files say by themselves.

use serde_json::json;

use super::{Scripts, answer};
use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::migrate::layout::{OddityKind, compare, same};
use crate::migrate::lint::{self, Remark};
use crate::migrate::rehearse::Rehearsal;
use crate::migrate::split::{RefusalReason, Survey, decode};
use crate::migrate::{Migration, MigrationSet, SchemaState, Script};
use crate::steps::{Context, StepError, StepReport};

/// Whether the folder holds anything.
pub fn found(report: &mut StepReport, asked: Asked, dir: &str, set: &MigrationSet) -> Result<(), StepError> {
    let mut rows: Vec<SubjectRow> =
        set.migrations.iter().map(|m| SubjectRow::new(&m.up.file, true, "a migration", format!("version {}", m.version))).collect();
    if rows.is_empty() {
        let observed = format!(
            "{} SQL files, none with a version in its name: set [migrations] dir in ledger.toml to the folder of your migrations",
            set.files
        );
        rows.push(SubjectRow::undecided(dir, "at least one migration", observed));
    }
    answer(report, "migrations-found", asked, "files", rows)
}

/// Versions, order, gaps, pairing, and where the pending ones stand.
pub fn order(cx: &Context<'_>, report: &mut StepReport, scripts: &Scripts<'_>) -> Result<(), StepError> {
    let set = scripts.set;
    for (code, kinds, expected) in [
        ("migration-importable", [OddityKind::NotImportable].as_slice(), "runs here as its own tool runs it"),
        ("migration-version-unique", &[OddityKind::DuplicateVersion], "a version of its own"),
        ("migration-order", &[OddityKind::NameOrder], "after all lower numbers by name too"),
        ("migration-gaps", &[OddityKind::Gap], "no number missing"),
        ("migration-files-matched", &[OddityKind::Unmatched, OddityKind::Ambiguous, OddityKind::Unnumbered], "belongs to one migration"),
    ] {
        let asked = Asked::now();
        let odd: Vec<_> = set.oddities.iter().filter(|oddity| kinds.contains(&oddity.kind)).collect();
        let right = set
            .migrations
            .iter()
            .filter(|m| !odd.iter().any(|oddity| oddity.subject.split(':').next() == Some(m.up.file.as_str())))
            .map(|m| SubjectRow::new(&m.up.file, true, expected, format!("version {}", m.version)));
        let rows = right.chain(odd.iter().map(|o| SubjectRow::new(&o.subject, false, expected, &o.message))).collect();
        answer(report, code, asked, "files", rows)?;
    }
    let asked = Asked::now();
    let last = scripts.state.version();
    let rows = scripts
        .pending
        .iter()
        .map(|m| {
            let late = last.is_some_and(|last| compare(&m.version, last).is_lt());
            let observed = format!("{} against applied {}", m.version, last.unwrap_or("none"));
            match cx.config.migrations.out_of_order.as_ref().filter(|_| late) {
                Some(reason) => {
                    SubjectRow::new(&m.up.file, true, "newer, or accepted with a reason", format!("{observed} (accepted: {reason})"))
                }
                None => SubjectRow::new(&m.up.file, !late, "newer than the last applied", observed),
            }
        })
        .collect();
    pending_or_unknown(report, "pending-in-order", asked, scripts, rows)?;
    for (code, what, has) in [
        (
            "migration-has-down",
            "a down script",
            (|m: &Migration| m.down.as_ref().map(|s| s.file.clone())) as fn(&Migration) -> Option<String>,
        ),
        ("migration-has-verify", "a verify script", |m| m.verify.as_ref().map(|s| s.file.clone())),
    ] {
        let asked = Asked::now();
        let row = |m: &&Migration| {
            let script = has(m);
            SubjectRow::new(&m.up.file, script.is_some(), what, script.unwrap_or_else(|| "none".into()))
        };
        let rows = scripts.pending.iter().map(row).collect();
        pending_or_unknown(report, code, asked, scripts, rows)?;
    }
    Ok(())
}

/// Whether applied files are still what they were.
pub fn applied_unchanged(report: &mut StepReport, scripts: &Scripts<'_>) -> Result<(), StepError> {
    let asked = Asked::now();
    let SchemaState::History(history) = scripts.state else {
        return answer(report, "applied-file-unchanged", asked, "files", Vec::new());
    };
    let mut rows = Vec::new();
    for applied in history {
        let Some(migration) = scripts.set.migrations.iter().find(|m| same(&m.version, &applied.version)) else {
            let subject = format!("{} {}", applied.version, applied.name);
            rows.push(SubjectRow::new(subject, false, "the file that was applied", "no file of this version any more"));
            continue;
        };
        if migration.name != applied.name {
            let observed = format!("applied under the name {}", applied.name);
            rows.push(SubjectRow::new(&migration.up.file, false, "the file that was applied", observed));
        }
        let scripts: [(&str, Option<&Script>, &Option<String>); 3] = [
            ("up", Some(&migration.up), &applied.up_sha256),
            ("down", migration.down.as_ref(), &applied.down_sha256),
            ("verify", migration.verify.as_ref(), &applied.verify_sha256),
        ];
        for (what, script, recorded) in scripts {
            let Some(recorded) = recorded else { continue };
            let subject = script.map_or_else(|| format!("{} {what}", applied.version), |script| script.file.clone());
            let today = script.map_or("no such file", |script| script.sha256.as_str());
            let row =
                SubjectRow::new(subject, today == recorded, format!("sha256 {}", short(recorded)), format!("sha256 {}", short(today)));
            rows.push(row.with_detail(json!({ "recorded": recorded, "today": today, "applied_at": applied.applied_at })));
        }
        // Of what the team's own tool applied its own checksum is known, where it keeps one.
        if let (Some(recorded), Some(today)) = (&applied.checksum, &migration.checksum) {
            let tool = migration.layout.name();
            let shown = |sum: &str| format!("{tool} checksum {}", sum.get(..12).unwrap_or(sum));
            let row = SubjectRow::new(&migration.up.file, recorded == today, shown(recorded), shown(today));
            rows.push(row.with_detail(json!({ "recorded": recorded, "today": today, "applied_at": applied.applied_at })));
        }
    }
    answer(report, "applied-file-unchanged", asked, "files and target", rows)
}

fn short(digest: &str) -> &str {
    digest.get(..12).filter(|_| digest.len() == 64).unwrap_or(digest)
}

/// Remarks of the parser, by file.
pub type SyntaxRemarks = Vec<(String, Vec<Remark>)>;

/// What is in the pending scripts: encoding, what cannot be run. Returns the parser's remarks, judged after the dry run, and the time of
/// parsing.
pub fn contents(cx: &Context<'_>, report: &mut StepReport, scripts: &Scripts<'_>) -> Result<(SyntaxRemarks, Asked), StepError> {
    let asked = Asked::now();
    let (mut readable, mut runnable, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    for migration in &scripts.pending {
        for (script, down) in [(Some(&migration.up), false), (migration.down.as_ref(), true), (migration.verify.as_ref(), false)] {
            let Some(script) = script else { continue };
            let survey = Survey::of(&script.bytes);
            readable.push(readable_row(script, &survey, down));
            let expected = "runs in one transaction of ours";
            let refused = |reason| matches!(reason, RefusalReason::InvalidUtf8 | RefusalReason::NulByte);
            let places: Vec<_> = survey.refusals.iter().filter(|refusal| !refused(refusal.reason)).collect();
            match places.is_empty() {
                true if survey.refusals.is_empty() => {
                    runnable.push(SubjectRow::new(&script.file, true, expected, format!("{} statements", survey.statements)));
                }
                true => runnable.push(SubjectRow::undecided(&script.file, expected, "cannot be read, see migration-file-readable")),
                false => runnable.extend(places.into_iter().map(|refusal| {
                    let subject = format!("{}:{}:{}", script.file, refusal.place.line, refusal.place.column);
                    SubjectRow::new(subject, false, expected, &refusal.message)
                })),
            }
            if let Ok(text) = decode(&script.bytes) {
                cx.progress.say(&format!("parsing {}", script.file));
                remarks.push((script.file.clone(), lint::syntax(text).0));
            }
        }
    }
    // One reading of the files answers what is readable, what can be run, and what parses.
    let parsed = asked.stopped();
    pending_or_unknown(report, "migration-file-readable", parsed.clone(), scripts, readable)?;
    pending_or_unknown(report, "migration-runnable", parsed.clone(), scripts, runnable)?;
    Ok((remarks, parsed))
}

fn readable_row(script: &Script, survey: &Survey, down: bool) -> SubjectRow {
    let expected = "UTF-8 text with at least one statement";
    match decode(&script.bytes) {
        Err(refusal) => {
            let subject = format!("{}:{}:{}", script.file, refusal.place.line, refusal.place.column);
            SubjectRow::new(subject, false, expected, refusal.message)
        }
        Ok(_) => {
            let empty = survey.statements == 0 && survey.refusals.is_empty();
            let observed = match (empty, survey.bom) {
                (true, _) if down => "no statement in it, see down-undoes".to_owned(),
                (true, _) => "no statement in it".to_owned(),
                (false, true) => format!("{} statements; begins with a byte order mark, which is not sent", survey.statements),
                (false, false) if !survey.passed_over.is_empty() => {
                    let commands = survey.passed_over.iter().map(|name| format!("\\{name}")).collect::<Vec<_>>().join(", ");
                    format!("{} statements; psql's {commands} passed over, which change nothing in the database", survey.statements)
                }
                (false, false) => format!("{} statements", survey.statements),
            };
            SubjectRow::new(&script.file, !empty || down, expected, observed)
        }
    }
}

/// The parser's verdict, and the log of it.
pub fn syntax(
    report: &mut StepReport,
    scripts: &Scripts<'_>,
    (remarks, asked): (&SyntaxRemarks, Asked),
    ran: Option<&Rehearsal>,
) -> Result<(), StepError> {
    let mut rows = Vec::new();
    let mut log = String::from("Syntax of the pending migrations, parsed with squawk-syntax 2.68.0. Places are file:line:column.\n");
    for (file, remarks) in remarks {
        let expected = "PostgreSQL's SQL";
        if remarks.is_empty() {
            log.push_str(&format!("ok     {file}\n"));
            rows.push(SubjectRow::new(file, true, expected, "no syntax error"));
            continue;
        }
        let accepted = ran.is_some_and(|ran| ran_whole(ran, file));
        for remark in remarks {
            let subject = format!("{file}:{}:{}", remark.place.line, remark.place.column);
            let word = if accepted { "note  " } else { "error " };
            log.push_str(&format!("{word} {subject}: {}\n", remark.message));
            let observed = match accepted {
                true => format!("PostgreSQL ran this file in the scratch copy; the parser says: {}", remark.message),
                false => remark.message.clone(),
            };
            rows.push(SubjectRow::new(subject, accepted, expected, observed));
        }
    }
    if remarks.is_empty() {
        log.push_str(if scripts.pending.is_empty() { "nothing pending\n" } else { "no pending script could be read\n" });
    }
    report.attach("syntax_validation.log", "text/plain", log);
    pending_or_unknown(report, "migration-syntax", asked, scripts, rows)
}

/// Whether the dry run executed this file to its end.
fn ran_whole(ran: &Rehearsal, file: &str) -> bool {
    let applied = |a: &crate::migrate::Applied| a.execution.file == file && a.failure.is_none();
    ran.up.iter().any(|p| applied(&p.applied)) || ran.down.iter().filter_map(|d| d.applied.as_ref()).any(applied)
}

/// Answers a check about pending migrations; without any, it is Unknown and says why.
pub fn pending_or_unknown(
    report: &mut StepReport,
    code: &str,
    asked: Asked,
    scripts: &Scripts<'_>,
    rows: Vec<SubjectRow>,
) -> Result<(), StepError> {
    if !scripts.pending.is_empty() {
        return answer(report, code, asked, "files", rows);
    }
    let why = match scripts.state {
        SchemaState::Unknown => "which migrations are pending is not known, see schema-version-known".to_owned(),
        known => format!("nothing is pending: the target is at {}", known.version().unwrap_or("no version")),
    };
    crate::steps::unanswered(report, code, asked, "files", why)
}
