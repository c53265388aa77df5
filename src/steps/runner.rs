//! The team's own migration tool, run as it is: what it did is read from the database, never from what it says.
//!
//! Its output goes, cleaned, into the log; its exit code is one fact among others. A tool that ends well while its history did not
//! move, or that moves its history and ends badly, is told apart by the history before and after.

use super::process::{self, Ended};
use super::{Context, StepError, suite};
use crate::config::MigrationCommand;
use crate::migrate::{MigrationSet, SchemaState, history};
use crate::pg::{Access, Target};

/// What one run of the tool came to.
pub struct ToolRun {
    pub program: String,
    pub ended: Result<Ended, String>,
    pub before: SchemaState,
    pub after: SchemaState,
}

impl ToolRun {
    /// Versions that the history has now and had not before, in its order.
    pub fn came(&self) -> Vec<String> {
        versions(&self.after).into_iter().filter(|version| !versions(&self.before).contains(version)).collect()
    }

    /// Versions that it had before and has no more. Tools that keep only the latest version move it.
    pub fn went(&self) -> Vec<String> {
        versions(&self.before).into_iter().filter(|version| !versions(&self.after).contains(version)).collect()
    }

    /// Whether the tool itself says that it did its work.
    pub fn says_success(&self) -> bool {
        self.ended.as_ref().is_ok_and(|ended| ended.exit_code == Some(0))
    }

    /// How it ended, in words.
    pub fn told(&self) -> String {
        match &self.ended {
            Ok(ended) => ended.told(),
            Err(why) => why.clone(),
        }
    }

    /// Microseconds.
    pub fn duration_us(&self) -> i64 {
        self.ended.as_ref().map_or(0, |ended| i64::try_from(ended.duration.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The versions of a history.
pub fn versions(state: &SchemaState) -> Vec<String> {
    match state {
        SchemaState::History(rows) => rows.iter().map(|row| row.version.clone()).collect(),
        SchemaState::Baseline(_) | SchemaState::Unknown => Vec::new(),
    }
}

/// Runs the tool against a database. It finds the database in libpq's own variables (PGHOST and so on), and its URL in the variable that
/// the configuration names.
pub async fn run(
    cx: &Context<'_>,
    command: &MigrationCommand,
    set: &MigrationSet,
    target: &Target,
    log: &mut dyn FnMut(&str),
) -> Result<ToolRun, StepError> {
    let redactor = suite::redactor(cx);
    let eyes = target.session(Access::ReadOnly).await?;
    let before = history::schema_state(&eyes, set, None).await?;
    drop(eyes);
    let mut variables: Vec<(String, String)> =
        target.spec().environment().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    variables.push(("PGAPPNAME".into(), target.application_name().to_owned()));
    if let Some(name) = &command.url_variable {
        variables.push((name.clone(), target.spec().url()));
    }
    let program = redactor.clean(command.up.first().map(String::as_str).unwrap_or_default());
    log(&format!("run: {}", redactor.clean(&command.up.join(" "))));
    let ended = process::run_with(&command.up, &cx.project.root, &variables, &redactor, log).await;
    // A new session: what the tool left is asked of the server, not of a session that saw it happen.
    let eyes = target.session(Access::ReadOnly).await?;
    let after = history::schema_state(&eyes, set, None).await?;
    let run = ToolRun { program, ended, before, after };
    log(&format!("run: {}", run.told()));
    Ok(run)
}
