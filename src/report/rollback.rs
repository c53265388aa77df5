//! The way back as people follow it: real commands, measured times, order, points of no return, checks after.

use serde::Serialize;

use super::format::{self, Mark, identifier, literal, shell};
use super::model::product;
use crate::domain::plan::StepKind;
use crate::domain::product::{BackupFacts, Product};
use crate::record::Run;

/// Everything ROLLBACK_PROCEDURE and its checklist show.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackView {
    /// Whether CE-27 has a product; without one the procedure says that it is not tested.
    pub tested: bool,
    pub mark: Mark,
    /// Why the rollback's outcome is what it is.
    pub why: String,
    pub seq: Option<u64>,
    pub database: String,
    pub from_version: String,
    pub target_version: String,
    pub steps: Vec<StepView>,
    /// The one command that does it and records it.
    pub ledger_command: String,
    pub psql_commands: Vec<String>,
    /// Whether the commands above also mend the history; another tool's history is that tool's to mend.
    pub own_history: bool,
    pub restore_commands: Vec<String>,
    pub after_commands: Vec<String>,
    pub down: String,
    pub up_again: String,
    pub restore: String,
    pub differences: Vec<String>,
    pub no_way_back: Vec<String>,
    pub backup: Option<BackupView>,
    pub primary: String,
    pub emergency: String,
    pub escalation: Vec<String>,
}

/// One migration on the way back, in the order of undoing.
#[derive(Clone, Debug, Serialize)]
pub struct StepView {
    pub version: String,
    pub name: String,
    pub file: String,
    pub duration: String,
    /// There is no down script: only the backup leads back past it.
    pub no_return: bool,
}

/// The backup to go back to.
#[derive(Clone, Debug, Serialize)]
pub struct BackupView {
    pub file: String,
    pub sha256: String,
    pub size: String,
    pub seq: Option<u64>,
}

/// Builds the view; without a product it holds what is known (the backup, the contacts).
pub fn rollback(run: &Run) -> RollbackView {
    let config = &run.config;
    let (environment_seq, environment) = match product(run, StepKind::Environment) {
        Some((seq, Product::Environment(p))) => (Some(seq), Some(p)),
        _ => (None, None),
    };
    let recorded = run.target.get("database").and_then(|v| v.as_str()).unwrap_or("DATABASE").to_owned();
    let database = environment.map_or(recorded, |p| p.database.clone());
    let backup = environment.and_then(|p| p.backup.as_ref());
    let (seq, found) = match product(run, StepKind::Rollback) {
        Some((seq, Product::Rollback(p))) => (Some(seq), Some(p)),
        _ => (None, None),
    };
    let layout = match product(run, StepKind::Scripts) {
        Some((_, Product::Scripts(p))) => p.layout.as_str(),
        _ => "",
    };
    let plain = layout == "plain";
    // The script that the rollback task makes writes every history that ledger writes.
    let own_history = !["", "flyway", "command"].contains(&layout);
    let judgement = run.judgement();
    let judged = config.plan.task_using(StepKind::Rollback).and_then(|t| judgement.tasks.iter().find(|j| j.task == t.id));
    let dir = config.migrations.dir.display().to_string();
    let target_version = found.map(|p| p.target_version.clone()).or(config.rollback.target_version.clone()).unwrap_or_default();
    let steps: Vec<StepView> = found
        .iter()
        .flat_map(|p| &p.steps)
        .map(|step| StepView {
            version: step.version.clone(),
            name: step.name.clone(),
            file: step.file.as_ref().map(|file| format!("{dir}/{file}")).unwrap_or_default(),
            duration: step.duration_us.map_or_else(|| "not measured".into(), format::duration),
            no_return: step.file.is_none(),
        })
        .collect();
    let measured = |us: Option<i64>| us.map_or_else(|| "not measured".into(), format::duration);
    let contacts = config.plan.contacts.as_ref();
    RollbackView {
        tested: found.is_some(),
        mark: judged.map_or(Mark::UNKNOWN, |j| Mark::outcome(&j.outcome)),
        why: match judged {
            Some(j) => j.outcome.why().unwrap_or_default().to_owned(),
            None => "the plan has no rollback task".into(),
        },
        seq,
        ledger_command: format!(
            "ledger rollback --target-version {} --confirm {}",
            if target_version.is_empty() { "VERSION".into() } else { shell(&target_version) },
            shell(&database)
        ),
        psql_commands: match plain {
            true => steps.iter().filter(|s| !s.no_return).map(|s| psql(&s.file, Some(s.version.as_str()))).collect(),
            // In other layouts a file may hold the way up as well; the rollback task's script has the ways down alone.
            false if steps.iter().any(|s| !s.no_return) => {
                vec!["psql \"$DATABASE_URL\" -X -v ON_ERROR_STOP=1 -f rollback_script.sql".into()]
            }
            false => Vec::new(),
        },
        own_history,
        restore_commands: backup.map(|b| restore(&database, b)).unwrap_or_default(),
        after_commands: [
            plain.then(|| format!("psql -X -d {} -c 'SELECT version, name FROM ledger.schema_history ORDER BY version'", shell(&database))),
            Some(format!("ledger run --only {}", shell(&task_id(run, StepKind::Environment)))),
            Some("ledger status".into()),
        ]
        .into_iter()
        .flatten()
        .collect(),
        steps,
        database,
        from_version: found.map(|p| p.from_version.clone()).unwrap_or_default(),
        target_version,
        down: measured(found.and_then(|p| p.down_us)),
        up_again: measured(found.and_then(|p| p.up_again_us)),
        restore: measured(found.and_then(|p| p.restore_us)),
        differences: found.map(|p| p.differences.clone()).unwrap_or_default(),
        no_way_back: found.map(|p| p.no_way_back.clone()).unwrap_or_default(),
        backup: backup.map(|b| BackupView {
            file: b.file.clone(),
            sha256: b.sha256.clone(),
            size: format::bytes(b.bytes),
            seq: environment_seq,
        }),
        primary: contacts.map(|c| c.primary.clone()).unwrap_or_default(),
        emergency: contacts.map(|c| c.emergency.clone()).unwrap_or_default(),
        escalation: contacts.map(|c| c.escalation.clone()).unwrap_or_default(),
    }
}

fn task_id(run: &Run, step: StepKind) -> String {
    run.config.plan.task_using(step).map_or_else(|| step.word().to_owned(), |t| t.id.to_string())
}

/// One down script by hand: in one transaction with our history's row, where there is one, so that both happen or neither.
fn psql(file: &str, forget: Option<&str>) -> String {
    let delete = |version| shell(&format!("DELETE FROM ledger.schema_history WHERE version = {}", literal(version)));
    let forget = forget.map(|version| format!(" -c {}", delete(version))).unwrap_or_default();
    format!("psql \"$DATABASE_URL\" -X -v ON_ERROR_STOP=1 --single-transaction -f {}{forget}", shell(file))
}

/// The backup into a new database beside the old one, then the names exchanged: the damaged one is kept.
fn restore(database: &str, backup: &BackupFacts) -> Vec<String> {
    let (restored, damaged) = (format!("{database}_restored"), format!("{database}_before_restore"));
    let rename = |from: &str, to: &str| shell(&format!("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to)));
    let sum = match backup.file.ends_with('/') {
        // Of a folder: the sum of its files' sums, in the order of their names.
        true => format!(
            "[ \"$(cd {} && LC_ALL=C sha256sum -- * | sha256sum)\" = {} ]",
            shell(&backup.file),
            shell(&format!("{}  -", backup.sha256))
        ),
        false => format!("printf '%s  %s\\n' {} {} | sha256sum --strict -c", shell(&backup.sha256), shell(&backup.file)),
    };
    vec![
        sum,
        format!("createdb -T template0 {}", shell(&restored)),
        format!("pg_restore --exit-on-error --single-transaction -d {} {}", shell(&restored), shell(&backup.file)),
        format!("psql -X -v ON_ERROR_STOP=1 -d postgres -c {} -c {}", rename(database, &damaged), rename(&restored, database)),
    ]
}
