//! `ledger report`: rendering from the ledger alone; nothing is appended.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{CliError, Exit, Globals, MessageFormat};
use crate::chain::Store;
use crate::domain::RunId;
use crate::publish::files::{self, Written};
use crate::publish::{self, PublishError};
use crate::record;
use crate::report as reports;

/// What to render.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The readiness report as Markdown, to stdout
    Md,
    /// The readiness report as one HTML file, to stdout
    Html,
    /// The report for machines, to stdout
    Json,
    /// Every report, checklist and procedure, as files
    All,
}

/// Render the report from the ledger alone
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One format to stdout, or all as files
    #[arg(long, value_enum, default_value = "all")]
    format: Format,
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Where files go [default: evidence/RUN/report]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files in --out that hold something else
    #[arg(long)]
    force: bool,
}

/// Renders, and ends with what the verdict means.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let store = globals.open_ledger()?;
    let id = chosen(&store, args.run.as_deref())?;
    let rendered = publish::render(&store, &id)?;
    let exit = Exit::from(rendered.report.judgement.verdict);
    let file = match args.format {
        Format::Md => Some(reports::READINESS_MD),
        Format::Html => Some(reports::READINESS_HTML),
        Format::Json => Some(reports::JSON),
        Format::All => None,
    };
    if let Some(file) = file {
        let bytes = rendered.files.iter().find(|(name, _)| name == file).map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        ui.answer(String::from_utf8_lossy(bytes));
        return Ok(exit);
    }
    // The default folder holds nothing but what the ledger renders, so it may be brought up to date.
    let (folder, replace) = match &args.out {
        Some(dir) => (dir.clone(), args.force),
        None => (globals.project_root()?.join("evidence").join(id.as_str()).join("report"), true),
    };
    let mut written = Vec::new();
    for (name, bytes) in &rendered.files {
        let path = folder.join(name);
        let what = files::write(&path, bytes, replace)?;
        written.push((path, what));
    }
    match ui.format {
        MessageFormat::Json => ui.json(&serde_json::json!({
            "schema": "ledger.report/1", "run": id.to_string(), "verdict": rendered.report.judgement.verdict,
            "size": rendered.size, "root": rendered.root,
            "files": written.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>(),
        }))?,
        MessageFormat::Human => {
            for (path, what) in &written {
                let word = if *what == Written::Unchanged { " (unchanged)" } else { "" };
                ui.answer(format!("{}{word}", path.display()));
            }
            ui.note(format!("Verdict {}: {}", rendered.report.judgement.verdict, rendered.report.judgement.reason));
        }
    }
    Ok(exit)
}

/// The run that a command speaks of: the named one, or the newest.
pub(super) fn chosen(store: &Store, named: Option<&str>) -> Result<RunId, CliError> {
    let history = record::read::names(store)?;
    let found = match named {
        Some(name) => history.iter().find(|id| id.as_str() == name),
        None => history.last(),
    };
    found.cloned().ok_or_else(|| match named {
        Some(name) => CliError::setup(format!("the ledger has no run {name}")).hint("ledger log shows what it has"),
        None => CliError::setup("the ledger has no run yet").hint("ledger run opens one"),
    })
}

impl From<PublishError> for CliError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Chain(error) => error.into(),
            PublishError::Render(error) => Self::new(Exit::Bug, error.to_string()),
            PublishError::Refused { what, hint } => Self::setup(what).hint(hint),
            PublishError::NotGo { verdict, what, hint } => Self::new(verdict.into(), what).hint(hint),
            PublishError::Sign(error) => Self::setup(error.to_string()),
            PublishError::Io { what, source } => Self::setup(what).cause(source),
        }
    }
}
