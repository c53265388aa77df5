//! `ledger exec`: run a command of the team's own and record what it did; a declared suite is counted from its JUnit file.

use std::path::PathBuf;

use super::session;
use super::{CliError, Exit, Globals, MessageFormat};
use crate::chain::{Draft, EntryType, PartDraft};
use crate::domain::plan::Suite;
use crate::domain::product::NotedSuite;
use crate::record::{self, SUITE_PART};
use crate::redact::Redactor;
use crate::steps::{process, suite};

/// Run a command and record what it did
#[derive(Debug, clap::Args)]
#[command(after_help = "With --suite the command fills a suite that ledger.toml declares without a command of its own, counted from its JUnit\n\
                        file; the task counts it when it runs next. Without it the record is a note and never changes a verdict.\n\n\
                        Examples:\n  ledger exec CE-25 --suite smoke --junit smoke.xml -- pytest tests/smoke --junitxml=smoke.xml\n  \
                        ledger exec CE-20 -- df -h")]
pub struct Args {
    /// The task it belongs to
    task: String,
    /// The declared suite that the command fills
    #[arg(long, value_name = "NAME", requires = "junit")]
    suite: Option<String>,
    /// Where the command writes its JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Who acts
    #[arg(long = "as", value_name = "PRINCIPAL")]
    actor: Option<String>,
    /// The program and its arguments, run without a shell in the project's folder
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Runs, counts, appends a note.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let (root, config, _) = globals.config()?;
    let task = config.plan.task(&args.task.as_str().into());
    let task =
        task.ok_or_else(|| CliError::new(Exit::Usage, format!("the plan has no task {}", args.task)).hint("ledger plan lists them"))?;
    let declared = match &args.suite {
        None => None,
        Some(name) => {
            let found = task.suites.iter().find(|suite| &suite.name == name && suite.command.is_empty());
            Some(found.ok_or_else(|| {
                CliError::new(Exit::Usage, format!("{} declares no suite `{name}` without a command", task.id))
                    .hint("declare it in ledger.toml: [[plan.task.suite]] with a name and no command")
            })?)
        }
    };
    let mut store = globals.open_ledger_for_writing()?;
    let open = record::read::open(&store)?.map(|run| run.id.to_string());
    if declared.is_some() && open.is_none() {
        return Err(CliError::setup("no run is open, so no task would count the suite").hint("ledger run opens one"));
    }
    let redactor = Redactor::from_environment();
    let mut log = String::new();
    let mut line = |text: &str| {
        ui.note(super::ui::inert(text));
        log.push_str(text);
        log.push('\n');
    };
    let named = args.junit.as_ref().map(|file| file.display().to_string());
    let suite = Suite {
        name: args.suite.clone().unwrap_or_else(|| "command".into()),
        command: args.command.clone(),
        junit: named,
        min_tests: declared.map_or(1, |suite| suite.min_tests),
    };
    let (ran, exit_code) = session::runtime()?.block_on(async {
        match args.junit {
            Some(_) => {
                let ran = suite::run(&suite, &root, &redactor, &mut line).await;
                let exit_code = ran.exit_code;
                (Ok(Some(ran)), exit_code)
            }
            None => match process::run(&args.command, &root, &redactor, &mut line).await {
                Ok(ended) => (Ok(None), ended.exit_code),
                Err(why) => (Err(why), None),
            },
        }
    });
    let ran = ran.map_err(|why| CliError::setup(why).hint("the program is run without a shell; for a pipeline use: -- bash -c '…'"))?;

    let mut draft = Draft::new(EntryType::Note, super::globals::actor(args.actor.as_deref()));
    draft.run = open;
    draft.task = Some(task.id.to_string());
    draft.body.insert("exit_code".into(), exit_code.map_or("none".to_owned(), |code| code.to_string()).into());
    draft.parts.push(PartDraft::bytes("command.txt", "text/plain", redactor.clean(&args.command.join(" ")) + "\n"));
    draft.parts.push(PartDraft::bytes("output.log", "text/plain", log));
    if let Some(ran) = &ran {
        if let Some(junit) = &ran.junit {
            draft.parts.push(PartDraft::bytes("junit.xml", "application/xml", junit.clone()));
        }
        if declared.is_some() {
            let noted = NotedSuite { row: ran.row.clone(), result: ran.result.clone() };
            let json = serde_json::to_vec(&noted).map_err(|error| CliError::new(Exit::Bug, "cannot write the suite").cause(error))?;
            draft.parts.push(PartDraft::bytes(SUITE_PART, "application/json", json));
        }
    }
    let entry = store.append(draft)?;
    let counted = ran.as_ref().map(|ran| ran.row.observed.clone()).unwrap_or_default();
    let passed = match &ran {
        Some(ran) => ran.row.ok,
        None => Some(exit_code == Some(0)),
    };
    if ui.format == MessageFormat::Json {
        ui.json(&serde_json::json!({"schema": "ledger.exec/1", "seq": entry.seq, "exit_code": exit_code, "suite": ran.map(|ran| ran.row)}))?;
    } else {
        let code = exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        let separator = if counted.is_empty() { "" } else { ", " };
        ui.answer(format!("{counted}{separator}{code}; recorded as entry {}", entry.seq));
        if declared.is_some() {
            ui.note(format!("Next: ledger run --from {}", task.id));
        }
    }
    Ok(match passed {
        Some(true) => Exit::Good,
        Some(false) => Exit::NoGo,
        None => Exit::Undecided,
    })
}
