//! `ledger run`: the plan's tasks against the database under test.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::progress::Terminal;
use super::session::{self, Connected};
use super::ui::{Tone, Ui};
use super::{CliError, Exit, Globals};
use crate::chain::Store;
use crate::domain::plan::Task;
use crate::domain::{Outcome, RunId, TaskId};
use crate::pg::ScratchPool;
use crate::pg::dump::Tools;
use crate::publish::{self, PublishError, heads};
use crate::run::engine::{Local, Rendered};
use crate::run::{Engine, Finished, Hooks, Interrupts, RunError, Selection};
use crate::sign::Signs;
use crate::steps::Project;

/// Run the plan's tasks against the database under test
#[derive(Debug, clap::Args)]
#[command(after_help = "Without options a new run of the whole plan is opened. --only, --from and --resume go on with the open run,\n\
                        if plan, migrations and target are unchanged. Execution asks for the database's name first.\n\n\
                        Examples:\n  ledger run --confirm contracts_staging\n  ledger run --only CE-23 CE-24\n  ledger run --dry-run")]
pub struct Args {
    /// The environment of ledger.toml to connect to
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Only these tasks
    #[arg(long, value_name = "TASK", num_args = 1.., conflicts_with_all = ["from", "resume", "dry_run"])]
    only: Vec<String>,
    /// This task and all that come after it
    #[arg(long, value_name = "TASK", conflicts_with_all = ["resume", "dry_run"])]
    from: Option<String>,
    /// Whatever the open run has not established yet
    #[arg(long, conflicts_with = "dry_run")]
    resume: bool,
    /// Only what changes nothing: the environment and the scripts, for real and recorded
    #[arg(long)]
    dry_run: bool,
    /// The database's name, instead of typing it before the execution
    #[arg(long, value_name = "DATABASE")]
    confirm: Option<String>,
    /// A file that holds the connection URL
    #[arg(long, value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// Who acts [default: $LEDGER_ACTOR, else the system's user, marked unverified]
    #[arg(long = "as", value_name = "PRINCIPAL")]
    actor: Option<String>,
    /// Sign every result and the head after it: an OpenSSH private key (ed25519), or the .pub file of one that ssh-agent holds
    #[arg(long, value_name = "FILE", env = "LEDGER_KEY")]
    key: Option<PathBuf>,
    /// A file with the key's passphrase, where the key has one
    #[arg(long, value_name = "FILE", env = "LEDGER_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Args {
    fn selection(&self) -> Selection {
        if !self.only.is_empty() {
            Selection::Only(self.only.iter().map(TaskId::new).collect())
        } else if let Some(task) = &self.from {
            Selection::From(TaskId::new(task))
        } else if self.resume {
            Selection::Resume
        } else if self.dry_run {
            Selection::DryRun
        } else {
            Selection::All
        }
    }
}

/// Connects, runs, sums up.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let seal = args.key.as_deref().map(|key| Seal::ready(globals, key, args.passphrase_file.as_deref())).transpose()?;
    let mut store = globals.open_ledger_for_writing()?;
    ui.note(format!("{:>12} connecting", ui.err("Ledger", Tone::Strong)));
    session::runtime()?.block_on(async {
        let connected = session::connect(globals, args.env.as_deref(), args.database_url_file.as_deref()).await?;
        if let Some(confirm) = &args.confirm
            && *confirm != connected.target.identity().database
        {
            return Err(CliError::setup(format!("--confirm {confirm} is not the connected database, {}", connected.target.identity().database))
                .hint("check which database you are about to change"));
        }
        session::header(&ui, &connected, &store)?;
        let selection = args.selection();
        let changes = selection != Selection::Resume
            && selection.tasks(&connected.config.plan, None)?.iter().any(|task| task.uses.writes_to_target());
        if changes && args.confirm.is_none() && !std::io::stdin().is_terminal() {
            // Said now rather than after the first two tasks.
            let database = &connected.target.identity().database;
            return Err(CliError::setup(format!("this run changes {database} and nobody is there to confirm it")).hint(format!("add --confirm {database}")));
        }
        let hooks = Asking { ui, database: connected.target.identity().database.clone(), confirmed: args.confirm.is_some(), seal };
        let clock = Instant::now();
        let actor = super::globals::actor(args.actor.as_deref());
        let finished = carry_out(&ui, &mut store, &connected, &selection, &actor, &hooks).await?;
        super::seen::remember_store(&ui, &store);
        Ok(summary(&ui, &connected, &finished, &selection, clock.elapsed().as_secs_f64(), store.len()?))
    })
}

/// Runs a selection with scratch databases that are gone afterwards, however it ends.
pub async fn carry_out(
    ui: &Ui,
    store: &mut Store,
    connected: &Connected,
    selection: &Selection,
    actor: &str,
    hooks: &dyn Hooks,
) -> Result<Finished, CliError> {
    with_engine(ui, store, connected, actor, hooks, async |mut engine| engine.run(selection).await).await
}

/// Gives `work` an engine on the connected project; the scratch databases are gone afterwards, however it ends.
pub async fn with_engine<T>(
    ui: &Ui,
    store: &mut Store,
    connected: &Connected,
    actor: &str,
    hooks: &dyn Hooks,
    work: impl AsyncFnOnce(Engine<'_>) -> Result<T, RunError>,
) -> Result<T, CliError> {
    // Without fitting client programs there are no backups; CE-20 says so with the reason, so it is not an error here.
    let tools = Tools::find(connected.target.major(), &connected.config.backup).ok();
    let scratch = ScratchPool::new(connected.scratch.as_ref().unwrap_or(&connected.target).clone(), tools).of(connected.target.clone());
    let project = Project { root: connected.root.clone() };
    let terminal = Terminal::new(*ui);
    let engine = Engine {
        config: &connected.config,
        config_bytes: &connected.config_bytes,
        project: &project,
        store,
        target: &connected.target,
        scratch: &scratch,
        environment: &connected.environment,
        actor,
        redactor: &connected.redactor,
        listener: &terminal,
        hooks,
    };
    let mut interrupts = Interrupts::listen();
    let ended = work(engine).await;
    // The one that ended the work is over; another one means that tidying up is not to be waited for either.
    interrupts.came().await;
    let closed = tokio::select! {
        closed = scratch.close() => closed.map_err(|error| error.to_string()),
        () = interrupts.next() => Err("interrupted again".to_owned()),
    };
    if let Err(why) = closed {
        ui.note(format!("{:>12} a scratch database could not be dropped: {why}; the next run sweeps it", "Note"));
    }
    Ok(ended?)
}

/// The last lines of a run, and what it means for the exit code.
pub fn summary(ui: &Ui, connected: &Connected, finished: &Finished, selection: &Selection, seconds: f64, entries: u64) -> Exit {
    let ran: Vec<_> = finished.judgement.tasks.iter().filter(|judged| finished.ran.contains(&judged.task)).collect();
    let count = |wanted: fn(&Outcome) -> bool| ran.iter().filter(|judged| wanted(&judged.outcome)).count();
    let checks: usize = ran.iter().filter_map(|judged| finished.run.latest(&judged.task)).map(|(_, result)| result.document.checks.len()).sum();
    ui.note("────────────");
    ui.note(format!(
        "{:>12} [{seconds:6.1}s] {} tasks: {} passed, {} failed, {} unknown, {} skipped; {checks} checks, {entries} entries",
        ui.err("Summary", Tone::Strong),
        ran.len(),
        count(|o| *o == Outcome::Pass),
        count(|o| *o == Outcome::Fail),
        count(|o| matches!(o, Outcome::Unknown(_))),
        count(|o| matches!(o, Outcome::Skipped(_))),
    ));
    let judgement = &finished.judgement;
    let tone = match Exit::from(judgement.verdict) {
        Exit::Good => Tone::Good,
        Exit::NoGo => Tone::Bad,
        _ => Tone::Open,
    };
    let next = match (super::status::cut_off(&finished.run, judgement), Exit::from(judgement.verdict)) {
        (Some(seq), _) => format!("ledger show {seq} · ledger run --resume"),
        (None, Exit::Good) => "ledger go-no-go · ledger report --format all · ledger sign-off --decision go --as PRINCIPAL --key FILE".to_owned(),
        (None, _) => match judgement.tasks.iter().find(|judged| judged.outcome != Outcome::Pass).and_then(|judged| judged.seq) {
            Some(seq) => format!("ledger show {seq} · mend it · ledger run"),
            None => "ledger run --resume".to_owned(),
        },
    };
    ui.note(format!("{:>12} {next}", ui.err("Next", Tone::Strong)));
    let whole = matches!(selection, Selection::All | Selection::From(_) | Selection::Resume);
    if ui.format == super::MessageFormat::Json {
        let _ = ui.json(&serde_json::json!({
            "schema": "ledger.run/1", "run": finished.run.id, "database": connected.target.identity().database,
            "verdict": judgement.verdict, "reason": judgement.reason, "tasks": judgement.tasks, "gates": judgement.gates,
        }));
    } else {
        ui.answer(format!("{:>12} {}: {}", "Verdict", ui.out(&judgement.verdict.to_string(), tone), judgement.reason));
    }
    match selection {
        Selection::DryRun if ran.iter().any(|judged| judged.outcome == Outcome::Fail) => Exit::NoGo,
        // A dry run cannot decide anything: most of the plan has not run.
        Selection::DryRun => Exit::Undecided,
        _ if whole => judgement.verdict.into(),
        _ if ran.iter().any(|judged| judged.outcome == Outcome::Fail) => Exit::NoGo,
        _ if !ran.is_empty() && ran.iter().all(|judged| judged.outcome == Outcome::Pass) => Exit::Good,
        _ => Exit::Undecided,
    }
}

/// The hooks of a run that a person started.
pub(super) struct Asking {
    pub ui: Ui,
    pub database: String,
    pub confirmed: bool,
    /// Signs results and heads, where the person gave a key.
    pub seal: Option<Seal>,
}

/// A key for what is signed while a run goes on, and what it is trusted for.
pub(super) struct Seal {
    key: Box<dyn Signs>,
    results: bool,
    heads: bool,
}

impl Seal {
    /// Reads the key and refuses one that nobody would accept: said before anything is run.
    pub fn ready(globals: &Globals, key: &Path, passphrase_file: Option<&Path>) -> Result<Self, CliError> {
        let key = super::signing::load(key, passphrase_file)?;
        let (results, heads) = heads::roles(&super::signing::trusted(globals, None)?, &key.public(), &super::signing::now());
        if !results && !heads {
            let what = format!("allowed_signers lets {} sign neither under task@ledger nor under checkpoint@ledger", key.public().fingerprint());
            return Err(CliError::setup(what).hint("ledger keys list shows who may; without --key the run is recorded unsigned"));
        }
        Ok(Self { key, results, heads })
    }

    fn apply(&self, store: &mut Store, seq: u64) -> Result<(), PublishError> {
        if self.results {
            heads::sign_result(store, seq, self.key.as_ref())?;
        }
        if self.heads {
            heads::sign_checkpoint(store, seq + 1, self.key.as_ref())?;
        }
        Ok(())
    }
}

impl Hooks for Asking {
    fn render(&self, store: &Store, run: &RunId) -> Rendered {
        rendered(store, run)
    }

    fn recorded(&self, store: &mut Store, seq: u64) -> Result<(), RunError> {
        let Some(seal) = &self.seal else { return Ok(()) };
        seal.apply(store, seq).map_err(|error| match error {
            PublishError::Chain(error) => RunError::Ledger(error),
            other => RunError::Setup {
                what: format!("entry {seq} is recorded and could not be signed: {other}"),
                hint: "mend that, then ledger run --resume --key FILE; ledger checkpoint --key FILE signs the head".into(),
            },
        })
    }

    fn confirm<'a>(&'a self, task: &'a Task) -> Local<'a, Result<bool, RunError>> {
        Box::pin(async move {
            if !self.confirmed {
                typed_confirmation(&self.ui, task.id.as_str(), &self.database).await?;
            }
            Ok(true)
        })
    }

    fn after_task<'a>(&'a self, _task: &'a TaskId) -> Local<'a, Result<(), RunError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Has the database's name typed before it is changed. Without a terminal, or with another name, nothing is begun.
pub(super) async fn typed_confirmation(ui: &Ui, what: &str, database: &str) -> Result<(), RunError> {
    let refused = |what: String| RunError::Setup { what, hint: format!("add --confirm {database}") };
    if !std::io::stdin().is_terminal() {
        return Err(refused(format!("{what} changes {database} and nobody is there to confirm it")));
    }
    let prompt = format!("{what} will change {database}. Type its name to go on: ");
    let _ = write!(std::io::stderr(), "{}", ui.err(&prompt, Tone::Strong));
    let typed = typed_line().await.map_err(|source| RunError::Io { what: "the confirmation".into(), source })?;
    match typed.trim() == database {
        true => Ok(()),
        false => Err(refused(format!("`{}` is not {database}: nothing was changed", super::ui::inert(typed.trim())))),
    }
}

/// The next line of the standard input. A thread waits for it, so that Ctrl-C is noticed meanwhile; the thread ends with the process.
pub(super) async fn typed_line() -> std::io::Result<String> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line).map(|_| line);
        // Nobody waits any more after Ctrl-C.
        let _ = sender.send(read);
    });
    receiver.await.unwrap_or_else(|_| Err(std::io::Error::other("the reader is gone")))
}

/// Renders the report of a run as it stands, for the readiness task: names and sizes.
pub fn rendered(store: &Store, run: &RunId) -> Rendered {
    publish::render(store, run)
        .map(|rendered| rendered.files)
        .map(|files| files.into_iter().map(|(name, bytes)| (name, bytes.len() as u64)).collect())
        .map_err(|error| error.to_string())
}
