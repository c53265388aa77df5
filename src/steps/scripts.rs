//! CE-21: the migration scripts, read, parsed, and run in a copy of the target.
//!
//! 1. What does the target have (history or baseline), and what is therefore pending?
//! 2. The files: order, duplicates, gaps, pairing, digests against the history, text, syntax, lint. No database needed.
//! 3. The dry run in a scratch database restored from CE-20's backup: up, verify, down, up again.

mod command;
mod drift;
mod dry_run;
mod files;
mod linted;

pub(crate) use dry_run::{applied_row, failure_row, ran};

use super::paper::counted;
use super::{Context, StepError, StepReport};
use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::domain::product::{MigrationFacts, Product, ScriptsProduct};
use crate::migrate::{Layout, Migration, MigrationSet, SchemaState, history, split};
use crate::pg::{Access, Catalog};

/// What the files and the target's state make together.
struct Scripts<'a> {
    set: &'a MigrationSet,
    state: &'a SchemaState,
    /// Not applied yet, in order. Empty while the state is unknown.
    pending: Vec<&'a Migration>,
}

/// The project's scripts by version and file, with the SHA-256 of each; none where they cannot be read, which is this step's finding.
pub fn files_of(root: &std::path::Path, config: &crate::config::Migrations) -> std::collections::BTreeMap<String, String> {
    let Ok(set) = MigrationSet::configured(root, config) else { return Default::default() };
    let scripts = set.migrations.iter().flat_map(|m| {
        let scripts = [Some(&m.up), m.down.as_ref(), m.verify.as_ref()].into_iter().flatten();
        scripts.map(|script| (format!("{} {}", m.version, script.file), script.sha256.clone()))
    });
    // Two parts of one file have one name: their digests stand under it one after the other.
    let mut files: std::collections::BTreeMap<String, String> = Default::default();
    scripts.for_each(|(name, sha256)| files.entry(name).or_default().push_str(&sha256));
    files
}

/// Examines the scripts.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let config = &cx.config.migrations;
    let dir = cx.project.path(&config.dir);
    let asked = Asked::now();
    let set = MigrationSet::configured(&cx.project.root, config).map_err(|error| StepError::Cannot {
        what: error.to_string(),
        hint: Some("set [migrations] dir in ledger.toml to the folder of your migrations".into()),
    })?;
    cx.log.line(format!(
        "{}: layout {}, {} files, {} migrations",
        cx.project.shown(&dir),
        set.layout.name(),
        set.files,
        set.migrations.len()
    ));
    if set.layout != Layout::Command {
        files::found(report, asked, &cx.project.shown(&dir), &set)?;
    }

    if let Some(version) = config.target_version.as_deref().filter(|version| set.find(version).is_none()) {
        return Err(StepError::Cannot {
            what: format!("no migration has the version {version}"),
            hint: Some("set target-version under [migrations] in ledger.toml to a version of the folder, or remove it".into()),
        });
    }

    cx.progress.say("reading the target's history");
    let asked = Asked::now();
    let session = cx.target.session(Access::ReadOnly).await?;
    let state = history::schema_state(&session, &set, config.baseline.as_deref()).await?;
    let catalog = Catalog::read(&session, &cx.not_the_applications()).await?;
    drop(session);
    if let Some(command) = config.command.as_ref().filter(|_| set.layout == Layout::Command) {
        return command::run(cx, report, &set, command).await;
    }
    version_known(report, asked, &cx.target.identity().database, &state)?;
    let pending = match &state {
        SchemaState::Unknown => Vec::new(),
        known => set.up_to(config.target_version.as_deref()).filter(|m| !known.has(&m.version)).collect(),
    };
    let scripts = Scripts { set: &set, state: &state, pending };
    cx.log.line(match (scripts.state.version(), scripts.pending.as_slice()) {
        (version, []) => format!("schema version {}, nothing pending", version.unwrap_or("unknown")),
        (version, pending) => format!(
            "schema version {}, pending: {}",
            version.unwrap_or("none"),
            pending.iter().map(|m| m.version.as_str()).collect::<Vec<_>>().join(", ")
        ),
    });

    cx.progress.say("reading the scripts");
    files::order(cx, report, &scripts)?;
    files::applied_unchanged(report, &scripts)?;
    let (remarks, parsed) = files::contents(cx, report, &scripts)?;
    drift::run(cx, report, &scripts, &catalog).await?;
    let used = linted::lint(cx, report, &scripts, &catalog)?;

    let tried = dry_run::run(cx, report, &scripts).await;
    let rehearsal = match &tried {
        Ok(rehearsal) => rehearsal.as_ref(),
        Err(_) => None,
    };
    // Syntax is answered last: where PostgreSQL itself ran a file, its word counts more than a parser's.
    files::syntax(report, &scripts, (&remarks, parsed), rehearsal)?;
    linted::down_undoes(report, &scripts, rehearsal)?;
    linted::effects(cx, report, &scripts, rehearsal, used)?;
    product(report, &scripts, rehearsal);
    tried.map(|_| ())
}

/// Answers a probe of this step.
fn answer(report: &mut StepReport, code: &str, asked: Asked, asked_of: &str, rows: Vec<SubjectRow>) -> Result<(), StepError> {
    super::probe(report, code, asked, asked_of, serde_json::Value::Null, rows)
}

fn version_known(report: &mut StepReport, asked: Asked, database: &str, state: &SchemaState) -> Result<(), StepError> {
    let expected = "a history or a baseline";
    let row = match state {
        SchemaState::History(rows) => {
            let observed = format!("{} applied, last {}", rows.len(), state.version().unwrap_or("none"));
            SubjectRow::new(database, true, expected, observed)
        }
        SchemaState::Baseline(version) => SubjectRow::new(database, true, expected, format!("baseline {version}")),
        SchemaState::Unknown => SubjectRow::undecided(
            database,
            expected,
            "no history and no baseline: set `baseline = \"001\"` under [migrations] in ledger.toml (the version it is at; \"0\": nothing applied)",
        ),
    };
    answer(report, "schema-version-known", asked, "target", vec![row])
}

fn product(report: &mut StepReport, scripts: &Scripts<'_>, rehearsal: Option<&crate::migrate::rehearse::Rehearsal>) {
    let run_us = |version: &str| {
        rehearsal?.up.iter().find(|p| p.applied.execution.version == version && p.holds()).map(|p| p.applied.execution.duration_us)
    };
    let migrations: Vec<MigrationFacts> = scripts
        .set
        .migrations
        .iter()
        .map(|m| MigrationFacts {
            version: m.version.clone(),
            name: m.name.clone(),
            file: m.up.file.clone(),
            up_sha256: m.up.sha256.clone(),
            down_sha256: m.down.as_ref().map(|s| s.sha256.clone()),
            verify_sha256: m.verify.as_ref().map(|s| s.sha256.clone()),
            pending: scripts.pending.iter().any(|p| p.version == m.version),
            transactional: m.transactional,
            statements: split::Survey::of(&m.up.bytes).statements,
            dry_run_us: run_us(&m.version),
        })
        .collect();
    let times: Option<Vec<i64>> = scripts.pending.iter().map(|m| run_us(&m.version)).collect();
    let estimate_us = times.filter(|times| !times.is_empty()).map(|times| times.iter().sum::<i64>());
    report.headline = match (scripts.pending.len(), estimate_us) {
        (0, _) => "nothing pending: to run the plan again, roll staging back or restore it first".into(),
        (n, Some(us)) => format!("{} run in a scratch copy, estimate {:.1} s", counted(n as u64, "file", "files"), us as f64 / 1e6),
        (n, None) => format!("{} pending, not all run in a scratch copy", counted(n as u64, "file", "files")),
    };
    let rehearsed = rehearsal.map(|r| r.up.iter().map(|proved| proved.applied.execution.clone()).collect()).unwrap_or_default();
    report.product =
        Some(Product::Scripts(ScriptsProduct { layout: scripts.set.layout.name().to_owned(), migrations, estimate_us, rehearsed }));
}
