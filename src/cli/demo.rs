//! `ledger demo`: the whole plan on a throwaway local PostgreSQL, every role played with throwaway keys.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::run::{carry_out, rendered, summary, typed_line};
use super::session;
use super::ui::Tone;
use super::{CliError, Exit, Globals, Ui};
use crate::chain::Store;
use crate::demo::{self, DemoError, FAULTS, Fault, Stage, people, play};
use crate::domain::plan::Task;
use crate::domain::{RunId, TaskId};
use crate::package::Problem;
use crate::publish::statements::attestable;
use crate::record::Run;
use crate::run::engine::{Local, Rendered};
use crate::run::{Finished, Hooks, Interrupts, RunError, Selection};

/// Run the whole plan on a throwaway local PostgreSQL with the reference staging application
#[derive(Debug, clap::Args)]
#[command(after_help = "The folder is an ordinary project: ledger.toml, migrations/, workload/, checks/, backups/, keys/, evidence/.\n\
                        The keys are thrown away and marked as such. The server is gone when the demo ends; the evidence stays.\n\n\
                        Examples:\n  ledger demo\n  ledger demo --fault list\n  ledger demo --fault rls-using-true --out /tmp/leak")]
pub struct Args {
    /// Where the project is laid out
    #[arg(long, value_name = "DIR", default_value = "ledger-demo")]
    out: PathBuf,
    /// Clauses of each of the three tenants; the other tables follow [default: 25000, with a fault fewer]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20..=5_000_000))]
    rows: Option<u32>,
    /// Plant a defect from outside and see it found; `list` names them all
    #[arg(long, value_name = "NAME", value_parser = fault)]
    fault: Option<Planted>,
    /// Write into a folder that is not empty
    #[arg(long)]
    force: bool,
    /// Keep the server until Enter is pressed
    #[arg(long)]
    keep: bool,
}

/// What `--fault` names.
#[derive(Clone, Copy, Debug)]
enum Planted {
    List,
    One(&'static Fault),
}

fn fault(name: &str) -> Result<Planted, String> {
    match name {
        "list" => Ok(Planted::List),
        _ => Fault::named(name).map(Planted::One).ok_or_else(|| {
            let known: Vec<&str> = FAULTS.iter().map(|fault| fault.name).collect();
            format!("known faults: {}", known.join(", "))
        }),
    }
}

/// Sets the stage, plays the plan, tidies up.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let fault = match args.fault {
        Some(Planted::List) => {
            for fault in FAULTS {
                ui.answer(format!("{:<22} {} (found by {})", fault.name, fault.what, fault.found.task));
            }
            return Ok(Exit::Good);
        }
        Some(Planted::One(fault)) => Some(fault),
        None => None,
    };
    let rows = args.rows.unwrap_or(fault.map_or(demo::ROWS, |fault| fault.rows));
    if !args.force && !demo::is_free(&args.out) {
        return Err(DemoError::Occupied(args.out.clone()).into());
    }
    ui.note(format!("{:>12} starting a throwaway PostgreSQL, filling staging for three tenants", ui.err("Demo", Tone::Strong)));
    let clock = Instant::now();
    session::runtime()?.block_on(async {
        let stage = Stage::set(rows).await?;
        // Until here Ctrl-C ends the process, and the watchdog the server.
        let mut interrupts = Interrupts::listen();
        if let Some(aside) = demo::set_aside(&args.out)? {
            ui.note(format!("{:>12} the evidence of an earlier demo is kept in {}", "Note", aside.display()));
        }
        demo::lay_out(&args.out, &stage, fault, args.force)?;
        if let Some(fault) = fault {
            ui.note(format!("{:>12} {}: {}", ui.err("Fault", Tone::Open), fault.name, fault.what));
        }
        let project = Globals { project: Some(args.out.clone()), ..globals.clone() };
        let db = args.out.join("evidence").join("ledger.db");
        let mut store = Store::create(&db, &people::principal("database-admin"))?;
        let connected = session::connect(&project, None, None).await?;
        session::header(&ui, &connected, &store)?;
        let hooks = Playing { stage: &stage, fault, folder: &args.out };
        let finished = carry_out(&ui, &mut store, &connected, &Selection::All, &people::principal("database-admin"), &hooks).await;
        let finished = finished.map_err(|error| if error.exit == Exit::Interrupted { stopped() } else { error })?;
        let exit = summary(&ui, &connected, &finished, &Selection::All, clock.elapsed().as_secs_f64(), store.len()?);
        let exit = curtain(&ui, &mut store, args, &finished, exit)?;
        store.close()?;
        if args.keep {
            ui.note(format!("{:>12} {} (Enter stops the server)", ui.err("Server", Tone::Strong), stage.url()));
            tokio::select! {
                _ = typed_line() => {}
                () = interrupts.next() => {}
            }
        } else if interrupts.came().await {
            return Err(stopped());
        }
        drop(connected);
        stage.stop()?;
        ui.note(format!("{:>12} the server is stopped and its data removed; the evidence stays", ui.err("Done", Tone::Strong)));
        let out = args.out.display();
        ui.note(format!("{:>12} ledger -C {out} go-no-go · ledger -C {out} log · ledger -C {out} show CE-23", ui.err("Look", Tone::Strong)));
        Ok(exit)
    })
}

/// Ctrl-C: the server goes with the stage, so there is nothing to go on with.
fn stopped() -> CliError {
    CliError::new(Exit::Interrupted, "interrupted").hint("the server is stopped and its data removed; ledger demo --force starts over")
}

/// After the run: what people do, the report as files, the package, its verification. The exit code is the run's, unless what was
/// published does not hold.
fn curtain(ui: &Ui, store: &mut Store, args: &Args, finished: &Finished, exit: Exit) -> Result<Exit, CliError> {
    let id = &finished.run.id;
    play::sign_tasks(store, &args.out, &finished.run)?;
    play::attest_rest(store, &args.out, &finished.run)?;
    let items = attestable(&finished.run).count();
    let signed = play::decide(store, &args.out, id, finished.judgement.verdict)?;
    let (packaged, verified) = play::package_and_verify(store, &args.out, id)?;
    let report = packaged.folder.join("report").join(crate::report::READINESS_HTML);
    let decided = signed.map_or("none, the verdict is open".to_owned(), |word| format!("{word} by {}", people::principal("cto")));
    let decision = verified.decision.as_deref().unwrap_or("MISSING(signoff)");
    ui.note(format!("{:>12} tasks signed, {items} items attested, decision: {decided}; all with throwaway keys", ui.err("Played", Tone::Strong)));
    ui.note(format!("{:>12} {}", ui.err("Report", Tone::Strong), report.display()));
    ui.note(format!("{:>12} {}", ui.err("Package", Tone::Strong), packaged.written.zip.display()));
    let tone = if verified.fault().is_none() { Tone::Good } else { Tone::Bad };
    ui.answer(format!("{:>12} package {}, sign-off {decision}", "Verified", ui.out(&verified.verdict, tone)));
    Ok(match (verified.fault(), exit, decision) {
        (Some(_), ..) => Exit::Integrity,
        (None, Exit::Good, "APPROVED") => Exit::Good,
        (None, Exit::Good, _) => Exit::Undecided,
        (None, exit, _) => exit,
    })
}

/// The hooks of the demo: it vouches and confirms by itself, and plants its fault between two tasks.
struct Playing<'a> {
    stage: &'a Stage,
    fault: Option<&'static Fault>,
    folder: &'a Path,
}

impl Hooks for Playing<'_> {
    fn render(&self, store: &Store, run: &RunId) -> Rendered {
        rendered(store, run)
    }

    fn before_execution(&self, store: &mut Store, run: &Run) -> Result<(), RunError> {
        play::attest_before_execution(store, self.folder, run).map_err(defect)
    }

    fn confirm<'a>(&'a self, _task: &'a Task) -> Local<'a, Result<bool, RunError>> {
        Box::pin(async { Ok(true) })
    }

    fn after_task<'a>(&'a self, task: &'a TaskId) -> Local<'a, Result<(), RunError>> {
        Box::pin(async move {
            match self.fault.and_then(|fault| fault.script_after(task.as_str())) {
                Some(script) => self.stage.as_superuser(script).await.map_err(defect),
                None => Ok(()),
            }
        })
    }
}

fn defect(error: DemoError) -> RunError {
    RunError::Setup { what: error.to_string(), hint: "this is a defect of the demo, not of the plan".to_owned() }
}

impl From<DemoError> for CliError {
    fn from(error: DemoError) -> Self {
        let error = match error {
            DemoError::Publish(error) => return error.into(),
            DemoError::Package(Problem::Ledger(error)) => return error.into(),
            DemoError::Package(Problem::Fault(fault)) => return Self::new(Exit::Integrity, fault.to_string()),
            other => other,
        };
        let this = Self::setup(error.to_string());
        match error.hint() {
            Some(hint) => this.hint(hint),
            None => this,
        }
    }
}
