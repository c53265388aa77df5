//! Rendering at the cut, publishing, sign-off and packaging: the only module that joins chain, report, sign and package.
//!
//! Nothing covers what is made after it:
//! 1. N is one past the run's last entry that is no publication, decision or redaction.
//! 2. [`render`] makes the report from entries 0…N−1. It never appends.
//! 3. [`publish`] appends `published` {N, root} with the report files, once per N.
//! 4. A sign-off signs the checkpoint of N and every report file, and appends a `decision`.
//! 5. A package holds the entries up to the run's last; apart from 3 it appends nothing.

pub mod decision;
pub mod files;
pub mod heads;
pub mod package;
pub mod redaction;
pub mod stamp;
pub mod statements;

use crate::chain::{Draft, EntryType, PartDraft, Store};
use crate::domain::RunId;
use crate::domain::verdict::Verdict;
use crate::record::{self, Run};
use crate::report::{self, RenderError, Report, Source};
use crate::sign::SignError;

/// Why something could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Chain(#[from] crate::chain::Error),
    #[error(transparent)]
    Render(#[from] RenderError),
    /// Not allowed as things stand, with the way out.
    #[error("{what}")]
    Refused { what: String, hint: String },
    /// A go over evidence that does not say go.
    #[error("{what}")]
    NotGo { verdict: Verdict, what: String, hint: String },
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
}

impl PublishError {
    pub(crate) fn refused(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), hint: hint.into() }
    }
}

/// Result of everything here.
pub type Result<T> = std::result::Result<T, PublishError>;

/// A report over the entries before the cut.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The run as the first N entries tell it.
    pub run: Run,
    pub report: Report,
    /// N.
    pub size: u64,
    /// Root at N, hex.
    pub root: String,
    /// Name and bytes, in byte order of the names.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Runs before this one that the history chart shows.
const EARLIER_RUNS: usize = 5;

/// Renders the run's report at its cut. The bytes are a function of the entries and of this program's version.
pub fn render(store: &Store, id: &RunId) -> Result<Rendered> {
    let unknown = || PublishError::refused(format!("the ledger has no run {id}"), "ledger log shows what it has");
    let mut history = record::read::at_cut(store, id, EARLIER_RUNS)?.ok_or_else(unknown)?;
    let run = history.runs.pop().ok_or_else(unknown)?;
    let size = history.size;
    let root = store.root_at(size)?.to_hex();
    let source = Source { ledger_id: &history.ledger_id, size, root: &root, head: &history.head, run: &run, earlier: &history.runs };
    let report = report::build(&source);
    let files = report::render(&report)?;
    Ok(Rendered { run, report, size, root, files })
}

/// The `published` entry of the run's cut: appended if there is none, else found again. Gives its entry and the files as published.
pub fn publish(store: &mut Store, id: &RunId, actor: &str) -> Result<(u64, Rendered)> {
    let mut rendered = render(store, id)?;
    // The cut's view holds no publication of itself; the whole ledger may.
    let whole = record::read::run(store, id)?;
    let published = whole.iter().flat_map(|run| &run.published).find(|(_, size, root)| *size == rendered.size && *root == rendered.root);
    if let Some((seq, ..)) = published {
        // Later packages and signatures are over the files as they were published, whatever this version would render.
        for (name, bytes) in &mut rendered.files {
            if let Some(kept) = store.part(*seq, &part_name(name))? {
                *bytes = kept;
            }
        }
        return Ok((*seq, rendered));
    }
    let mut draft = Draft::new(EntryType::Published, actor);
    draft.run = Some(id.to_string());
    draft.body.insert("size".into(), rendered.size.into());
    draft.body.insert("root".into(), rendered.root.clone().into());
    draft.body.insert("verdict".into(), rendered.report.judgement.verdict.to_string().into());
    draft.parts = rendered
        .files
        .iter()
        .map(|(name, bytes)| PartDraft::bytes(part_name(name), media(name), bytes.clone()).at(format!("report/{name}")))
        .collect();
    let entry = store.append(draft)?;
    Ok((entry.seq, rendered))
}

/// Parts are named in lower case; the file keeps the plan's name in its path.
fn part_name(file: &str) -> String {
    file.to_ascii_lowercase()
}

fn media(file: &str) -> &'static str {
    match file.rsplit('.').next() {
        Some("html") => "text/html",
        Some("md") => "text/markdown",
        _ => "application/json",
    }
}
