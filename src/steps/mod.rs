//! What the code can do, one file per step. A step asks questions and returns answers; it never appends to the ledger.
//!
//! `run(cx, report)` fills the report as it goes, so that what was established before an error is kept. Whatever a step writes
//! outside the target (scratch databases, dumps) it takes from [`Context`]; nothing but `execute` commits to the target.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use sha2::{Digest, Sha256};

use crate::checks::{self, ask::Asked};
use crate::config::Config;
use crate::domain::plan::{StepKind, Task};
use crate::domain::product::NotedSuite;
use crate::domain::product::{EnvironmentProduct, ExecuteProduct, Product, ScriptsProduct};
use crate::domain::verdict::TaskResult;
use crate::domain::{Evidence, RunId, SubjectRow, TaskId};
use crate::pg::{PgError, ScratchPool, Target};

/// Where things are: every path of a project, from its root.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder of `ledger.toml`.
    pub root: PathBuf,
}

impl Project {
    /// A path of `ledger.toml`, made absolute against the project.
    pub fn path(&self, relative: &Path) -> PathBuf {
        self.root.join(relative)
    }

    /// How a path inside the project is shown and recorded: relative, `/`-separated.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// What a step is given.
pub struct Context<'a> {
    pub config: &'a Config,
    pub task: &'a Task,
    pub run: &'a RunId,
    pub project: &'a Project,
    pub target: &'a Target,
    pub scratch: &'a ScratchPool,
    /// What earlier steps of this run handed over, read back from their entries.
    pub products: &'a [(TaskId, Product)],
    /// Declared suites of this task that `ledger exec` recorded since the last execution, with their entries, oldest first.
    pub noted_suites: &'a [(u64, NotedSuite)],
    /// The latest results of the other tasks (for readiness).
    pub results: &'a [TaskResult],
    /// Names of the parts that entries of this run carry so far (for readiness).
    pub parts: &'a [String],
    /// What rendering the report gave: file names and sizes, or why it could not be rendered (for readiness).
    pub rendered: Option<&'a Result<Vec<(String, u64)>, String>>,
    pub log: &'a TaskLog,
    pub progress: &'a dyn Progress,
}

impl Context<'_> {
    /// CE-20's product.
    pub fn environment(&self) -> Option<&EnvironmentProduct> {
        self.products.iter().rev().find_map(|(_, product)| match product {
            Product::Environment(product) => Some(product),
            _ => None,
        })
    }

    /// CE-21's product.
    pub fn scripts(&self) -> Option<&ScriptsProduct> {
        self.products.iter().rev().find_map(|(_, product)| match product {
            Product::Scripts(product) => Some(product),
            _ => None,
        })
    }

    /// Schemas that comparisons leave out: those of backups, and our own bookkeeping, which is no change of the application's.
    pub fn not_the_applications(&self) -> Vec<String> {
        let mut excluded = self.config.backup.exclude_schemas.clone();
        excluded.push("ledger".to_owned());
        excluded
    }

    /// CE-22's product.
    pub fn execution(&self) -> Option<&ExecuteProduct> {
        self.products.iter().rev().find_map(|(_, product)| match product {
            Product::Execute(product) => Some(product),
            _ => None,
        })
    }
}

/// Where a step says what it is doing right now. For the terminal only; nothing of it is recorded.
pub trait Progress {
    /// Replaces the one-line message, such as `check 4/9 · no-null-tenant`.
    fn say(&self, message: &str);
}

/// The task's log: lines with times, kept for its `ce22_….log` part.
#[derive(Debug, Default)]
pub struct TaskLog {
    lines: RefCell<String>,
}

impl TaskLog {
    /// Adds a line, stamped with the time. Never pass DETAIL or CONTEXT of a server message.
    pub fn line(&self, text: impl AsRef<str>) {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        for line in text.as_ref().lines() {
            let mut lines = self.lines.borrow_mut();
            lines.push_str(&now);
            lines.push(' ');
            lines.push_str(line);
            lines.push('\n');
        }
    }

    /// The whole log.
    pub fn text(&self) -> String {
        self.lines.borrow().clone()
    }
}

/// A file that the step made: a deliverable of the plan or a working paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// `[a-z0-9][a-z0-9._-]{0,99}` with an extension; unique within the task.
    pub name: String,
    /// Media type, such as `text/markdown`.
    pub media: String,
    pub bytes: Vec<u8>,
}

/// What a step found, filled as it goes.
#[derive(Debug, Default)]
pub struct StepReport {
    pub evidence: Vec<Evidence>,
    pub attachments: Vec<Attachment>,
    pub product: Option<Product>,
    /// One short line for the terminal and the report: `backup 48 MB restored and compared`.
    pub headline: String,
}

impl StepReport {
    /// Adds a text file.
    pub fn attach(&mut self, name: impl Into<String>, media: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.attachments.push(Attachment { name: name.into(), media: media.into(), bytes: bytes.into() });
    }

    /// Adds a value as pretty JSON.
    pub fn attach_json(&mut self, name: impl Into<String>, value: &impl serde::Serialize) {
        let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_else(|error| error.to_string().into_bytes());
        bytes.push(b'\n');
        self.attach(name, "application/json", bytes);
    }
}

/// Why a step could not go on. What it had established stays in the report; the task becomes Unknown (or Fail, if a check had failed).
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Pg(#[from] PgError),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    /// Anything else that cannot be done here, with the way out.
    #[error("{what}")]
    Cannot { what: String, hint: Option<String> },
    #[error("interrupted")]
    Interrupted,
}

impl StepError {
    /// A reason without a hint.
    pub fn cannot(what: impl Into<String>) -> Self {
        Self::Cannot { what: what.into(), hint: None }
    }
}

/// Records a probe's answer.
pub(crate) fn probe(
    report: &mut StepReport,
    code: &str,
    asked: Asked,
    asked_of: &str,
    parameters: serde_json::Value,
    rows: Vec<SubjectRow>,
) -> Result<(), StepError> {
    let check = checks::find(code).ok_or_else(|| StepError::cannot(format!("there is no check {code}")))?;
    report.evidence.push(asked.answered(check, asked_of, parameters, rows));
    Ok(())
}

/// Records that a check has no answer, and why.
pub(crate) fn unanswered(
    report: &mut StepReport,
    code: &str,
    asked: Asked,
    asked_of: &str,
    why: impl Into<String>,
) -> Result<(), StepError> {
    let check = checks::find(code).ok_or_else(|| StepError::cannot(format!("there is no check {code}")))?;
    report.evidence.push(asked.unanswered(check, asked_of, serde_json::Value::Null, why));
    Ok(())
}

/// Keeps the very text of a question of the team's own beside its answer: `own-<code>.sql`, `workload-<file>.sql`.
pub(crate) fn attach_question(report: &mut StepReport, kind: &str, name: &str, text: &str) {
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let slug: String = name.chars().map(|c| plain(c.to_ascii_lowercase())).take(60).collect();
    // A name that had to be changed could meet another one.
    let slug = match slug == name {
        true => slug,
        false => format!("{slug}-{}", &hex::encode(Sha256::digest(name.as_bytes()))[..8]),
    };
    report.attach(format!("{kind}-{slug}.sql"), "application/sql", text);
}

/// What the user did not declare was not examined: Unknown, with what to set in ledger.toml. Only a reason that stands there under
/// `key` (such as `[integrity] no-linkage`) makes it not applicable.
pub(crate) fn undeclared(asked: Asked, check: &checks::Check, asked_of: &str, (key, reason): (&str, Option<&str>), set: &str) -> Evidence {
    let parameters = serde_json::Value::Null;
    match reason {
        Some(reason) => asked.not_applicable(check, asked_of, parameters, format!("ledger.toml, {key}: {reason}")),
        None => asked.unanswered(check, asked_of, parameters, format!("not examined: {set}; if there is none: {key} = \"reason\"")),
    }
}

/// Runs the step that the task uses.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    match cx.task.uses {
        StepKind::Environment => environment::run(cx, report).await,
        StepKind::Scripts => scripts::run(cx, report).await,
        StepKind::Execute => execute::run(cx, report).await,
        StepKind::RowSecurity => row_security::run(cx, report).await,
        StepKind::ForeignKeys => foreign_keys::run(cx, report).await,
        StepKind::Integrity => integrity::run(cx, report).await,
        StepKind::Performance => performance::run(cx, report).await,
        StepKind::Rollback => rollback::run(cx, report).await,
        StepKind::Readiness => readiness::run(cx, report).await,
        StepKind::Command => command::run(cx, report).await,
    }
}

pub mod backup;
pub mod command;
pub mod counting;
pub mod environment;
pub mod execute;
pub mod foreign_keys;
pub mod integrity;
pub mod paper;
pub mod performance;
pub mod process;
pub mod readiness;
pub mod rollback;
pub mod row_security;
pub mod runner;
pub mod scripts;
pub mod suite;
