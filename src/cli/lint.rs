//! `ledger lint`: the migration scripts read without a database, for an editor, a commit hook or a code review.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::json;

use super::ui::{Tone, inert};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::domain::Severity;
use crate::migrate::lint::{self, Given, Remark, Tables};
use crate::migrate::layout::OddityKind;
use crate::migrate::split::{Place, Survey, decode};
use crate::migrate::{MigrationSet, Script};

/// Read the migration scripts: syntax, lint, what cannot be run; without a database
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the migrations [default: [migrations] dir of ledger.toml, else migrations]
    dir: Option<PathBuf>,
    /// The layout of the folder [default: that of ledger.toml, else auto]
    #[arg(long, value_name = "NAME")]
    layout: Option<String>,
    /// SARIF 2.1.0 is for code review tools
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// The server's major version that the rules assume
    #[arg(long, value_name = "MAJOR", default_value_t = 15)]
    server: i32,
    /// Exit 10 if anything at least as bad is found and not accepted
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = Level::High)]
    fail_at: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    Low,
    Medium,
    High,
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Low => Self::Low,
            Level::Medium => Self::Medium,
            Level::High => Self::High,
            Level::Critical => Self::Critical,
        }
    }
}

/// Reads the scripts and says what is to be said of them.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let project = globals.config().ok();
    let (root, configured) = match &project {
        Some((root, config, _)) => (root.clone(), Some(&config.migrations)),
        None => (PathBuf::from("."), None),
    };
    let dir = match (&args.dir, configured) {
        (Some(dir), _) => dir.clone(),
        (None, Some(migrations)) => root.join(&migrations.dir),
        (None, None) => PathBuf::from("migrations"),
    };
    let layout = args.layout.as_deref().or(configured.map(|migrations| migrations.layout.as_str())).unwrap_or("auto");
    let set = MigrationSet::read(&dir, layout)
        .map_err(|error| CliError::setup(error.to_string()).hint("name the folder: ledger lint DIR; or set [migrations] dir in ledger.toml"))?;
    let accepted = configured.map(|migrations| migrations.suppress.clone()).unwrap_or_default();
    let (remarks, coverage) = examined(&set, args.server, &accepted);
    if set.migrations.is_empty() && remarks.is_empty() {
        return Err(CliError::setup(format!("{}: no migration in it ({} SQL files)", dir.display(), set.files))
            .hint("name the folder: ledger lint DIR, and its layout: --layout NAME"));
    }
    let format = args.format.unwrap_or(match ui.format {
        MessageFormat::Human => Format::Human,
        MessageFormat::Json => Format::Json,
    });
    let shown = shown(&root, &dir);
    match format {
        Format::Sarif => ui.json(&lint::sarif::sarif(&shown, &remarks))?,
        Format::Json => {
            for (file, remark) in remarks.iter().flat_map(|(file, remarks)| remarks.iter().map(move |remark| (file, remark))) {
                ui.json(&json!({ "schema": "ledger.lint/1", "file": format!("{shown}/{file}"), "severity": remark.severity(), "remark": remark }))?;
            }
            ui.json(&json!({ "schema": "ledger.lint-coverage/1", "coverage": coverage }))?;
        }
        Format::Human => {
            for (file, remark) in remarks.iter().flat_map(|(file, remarks)| remarks.iter().map(move |remark| (file, remark))) {
                let tone = match (remark.accepted.is_some(), remark.severity()) {
                    (true, _) => Tone::Muted,
                    (false, Severity::High | Severity::Critical) => Tone::Bad,
                    (false, Severity::Medium) => Tone::Open,
                    (false, _) => Tone::Strong,
                };
                let word = if remark.accepted.is_some() { "accepted" } else { remark.severity().word() };
                let place = format!("{shown}/{file}:{}:{}", remark.place.line, remark.place.column);
                let reason = remark.accepted.as_ref().map(|reason| format!(" (accepted: {reason})")).unwrap_or_default();
                ui.answer(format!("{place}: {} {}: {}{}", ui.out(word, tone), remark.rule, inert(&remark.message), inert(&reason)));
            }
            ui.note(format!("looked at: {}", coverage.sentence()));
        }
    }
    let fail_at = Severity::from(args.fail_at);
    let bad = remarks.iter().flat_map(|(_, remarks)| remarks).any(|remark| remark.accepted.is_none() && remark.severity() >= fail_at);
    Ok(if bad { Exit::NoGo } else { Exit::Good })
}

/// Everything that the texts say: ways up linted, every script parsed.
fn examined(set: &MigrationSet, server: i32, accepted: &BTreeMap<String, String>) -> (Vec<(String, Vec<Remark>)>, lint::Coverage) {
    let given: Vec<Given<'_>> = set.migrations.iter().map(|m| Given { script: &m.up, transactional: m.transactional }).collect();
    let examined = lint::examine(&given, server, &Tables::default(), accepted);
    let mut coverage = examined.coverage;
    let mut remarks = examined.remarks;
    for script in set.migrations.iter().flat_map(|m| [Some(&m.up), m.down.as_ref(), m.verify.as_ref()]).flatten() {
        let more = parsed(script, &mut coverage);
        match remarks.iter_mut().find(|(file, _)| *file == script.file) {
            Some((_, remarks)) => remarks.extend(more),
            None => remarks.push((script.file.clone(), more)),
        }
    }
    // What the layout's tool would run otherwise than ledger, or not at all.
    for oddity in set.oddities.iter().filter(|oddity| oddity.kind == OddityKind::NotImportable) {
        let (file, line) = oddity.subject.rsplit_once(':').unwrap_or((&oddity.subject, "1"));
        let remark = Remark::refused(Place { line: line.parse().unwrap_or(1), column: 1 }, &oddity.message);
        match remarks.iter_mut().find(|(known, _)| known == file) {
            Some((_, remarks)) => remarks.push(remark),
            None => remarks.push((file.to_owned(), vec![remark])),
        }
    }
    for (_, remarks) in &mut remarks {
        remarks.sort_by(|a, b| (a.place, &a.rule).cmp(&(b.place, &b.rule)));
    }
    (remarks, coverage)
}

fn parsed(script: &Script, coverage: &mut lint::Coverage) -> Vec<Remark> {
    let refusals = Survey::of(&script.bytes).refusals;
    let mut remarks: Vec<Remark> = refusals.iter().map(|refusal| Remark::refused(refusal.place, &refusal.message)).collect();
    // What is refused is not SQL, and its other errors follow from that.
    if let (Ok(text), true) = (decode(&script.bytes), remarks.is_empty()) {
        let (syntax, unparsed) = lint::syntax(text);
        coverage.unparsed += unparsed;
        remarks.extend(syntax);
    }
    remarks
}

/// The folder as it is named in answers: from the project's root where it lies below it.
fn shown(root: &Path, dir: &Path) -> String {
    let below = std::path::absolute(dir).ok().zip(std::path::absolute(root).ok());
    let shown = below.and_then(|(dir, root)| dir.strip_prefix(&root).map(Path::to_path_buf).ok()).unwrap_or_else(|| dir.to_owned());
    shown.display().to_string().trim_end_matches('/').to_owned()
}
