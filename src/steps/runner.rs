//! The team's own migration tool, run as it is: what it did is read from the database, never from what it says.
//!
//! Its output goes, cleaned, into the log; its exit code is one fact among others. A tool that ends well while its history did not
//! move, or that moves its history and ends badly, is told apart by the history before and after.

use super::process::{self, Ended};
use super::{Context, StepError, suite};
use crate::config::MigrationCommand;
use crate::domain::product::FileExecution;
use crate::migrate::{Applied, Failure, MigrationSet, SchemaState, history};
use crate::pg::{Access, Catalog, Target};

/// What one run of the tool came to.
pub struct ToolRun {
    pub program: String,
    /// Program and arguments, cleaned.
    pub told_as: String,
    /// RFC 3339.
    pub started: String,
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

impl ToolRun {
    /// The same as a script that ran; `problem`: why it did not do what it was to do.
    pub fn as_applied(&self, versions: &str, problem: Option<String>) -> Applied {
        let failure = problem.map(|message| Failure::of_tool(&self.told_as, message));
        let execution = FileExecution {
            version: versions.to_owned(),
            name: self.program.clone(),
            file: self.told_as.clone(),
            started: self.started.clone(),
            duration_us: self.duration_us(),
            attempts: 1,
            applied: failure.is_none(),
            error: failure.as_ref().map(ToString::to_string),
            ..FileExecution::default()
        };
        Applied { execution, failure }
    }
}

/// What going back came to.
pub struct Back {
    /// One run for each step.
    pub runs: Vec<ToolRun>,
    /// Why it is not where it was before; `None`: it is.
    pub problem: Option<String>,
}

/// Goes back with the tool's own way down, step by step, until its history is what it was: at most `steps` times.
pub async fn back(
    cx: &Context<'_>,
    command: &MigrationCommand,
    (set, target): (&MigrationSet, &Target),
    (before, steps): (&SchemaState, usize),
    log: &mut dyn FnMut(&str),
) -> Result<Back, StepError> {
    let mut runs: Vec<ToolRun> = Vec::new();
    let there = |state: &SchemaState| {
        let (mut now, mut then) = (versions(state), versions(before));
        now.sort();
        then.sort();
        now == then
    };
    while runs.len() < steps.max(1) {
        let to = before.version().unwrap_or_default();
        let run = run(cx, command, &command.down, (set, target), Some(to), log).await?;
        let stands_still = versions(&run.before) == versions(&run.after);
        let stop = !run.says_success() || there(&run.after) || stands_still;
        runs.push(run);
        if stop {
            break;
        }
    }
    let problem = runs.last().and_then(|last| match (last.says_success(), there(&last.after)) {
        (true, true) => None,
        (true, false) => Some(format!("ended well, and its history still has {}", last.after.version().unwrap_or("nothing"))),
        (false, _) => Some(format!("{}; its history has {}", last.told(), last.after.version().unwrap_or("nothing"))),
    });
    Ok(Back { runs, problem })
}

/// Takes the tool's own table out of a catalog: its coming and going is no change of the application's.
pub fn without_history(catalog: &mut Catalog, command: &MigrationCommand) {
    let Some(table) = history::command_table(&command.history) else { return };
    let table = table.rsplit('.').next().unwrap_or(&table).to_owned();
    let of_table = |object: &str| object.split(['.', ' ', ':', '(']).any(|part| part.trim_matches('"').starts_with(&table));
    for objects in catalog.objects.values_mut() {
        objects.retain(|object, _| !of_table(object));
    }
    catalog.column_order.retain(|object, _| !of_table(object));
}

/// The versions of a history.
pub fn versions(state: &SchemaState) -> Vec<String> {
    match state {
        SchemaState::History(rows) => rows.iter().map(|row| row.version.clone()).collect(),
        SchemaState::Baseline(_) | SchemaState::Unknown => Vec::new(),
    }
}

/// Runs the tool with these arguments against a database. It finds the database in libpq's own variables (PGHOST and so on), and its URL in the variable that
/// the configuration names.
pub async fn run(
    cx: &Context<'_>,
    command: &MigrationCommand,
    arguments: &[String],
    (set, target): (&MigrationSet, &Target),
    to: Option<&str>,
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
    if let Some(to) = to {
        variables.push(("LEDGER_TARGET_VERSION".into(), to.to_owned()));
    }
    let program = redactor.clean(arguments.first().map(String::as_str).unwrap_or_default());
    let told_as = redactor.clean(&arguments.join(" "));
    log(&format!("run: {told_as}"));
    let started = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let ended = process::run_with(arguments, &cx.project.root, &variables, &redactor, log).await;
    // A new session: what the tool left is asked of the server, not of a session that saw it happen.
    let eyes = target.session(Access::ReadOnly).await?;
    let after = history::schema_state(&eyes, set, None).await?;
    let run = ToolRun { program, told_as, started, ended, before, after };
    log(&format!("run: {}", run.told()));
    Ok(run)
}
