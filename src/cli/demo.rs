//! `ledger demo`: the whole plan on a throwaway local PostgreSQL, every role played with throwaway keys.

use std::path::PathBuf;
use std::time::Instant;

use super::run::{carry_out, rendered, summary};
use super::session;
use super::ui::Tone;
use super::{CliError, Exit, Globals};
use crate::chain::Store;
use crate::demo::{self, DemoError, FAULTS, Fault, Stage, people};
use crate::domain::plan::Task;
use crate::domain::{RunId, TaskId};
use crate::run::engine::{Local, Rendered};
use crate::run::{Hooks, RunError, Selection};

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
        demo::lay_out(&args.out, &stage, fault, args.force)?;
        if let Some(fault) = fault {
            ui.note(format!("{:>12} {}: {}", ui.err("Fault", Tone::Open), fault.name, fault.what));
        }
        let project = Globals { project: Some(args.out.clone()), ..globals.clone() };
        let db = args.out.join("evidence").join("ledger.db");
        let mut store = match db.exists() {
            true => Store::open(&db)?,
            false => Store::create(&db, &people::principal("database-admin"))?,
        };
        let connected = session::connect(&project, None, None).await?;
        session::header(&ui, &connected, &store)?;
        let hooks = Playing { stage: &stage, fault };
        let finished = carry_out(&ui, &mut store, &connected, &Selection::All, &people::principal("database-admin"), &hooks).await?;
        let exit = summary(&ui, &connected, &finished, &Selection::All, clock.elapsed().as_secs_f64(), store.len()?);
        store.close()?;
        if args.keep {
            ui.note(format!("{:>12} {} (Enter stops the server)", ui.err("Server", Tone::Strong), stage.url()));
            let mut line = String::new();
            let _ = std::io::stdin().read_line(&mut line);
        }
        drop(connected);
        stage.stop()?;
        ui.note(format!("{:>12} the server is stopped and its data removed; the evidence is in {}", ui.err("Done", Tone::Strong), args.out.display()));
        Ok(exit)
    })
}

/// The hooks of the demo: it confirms by itself, and plants its fault between two tasks.
struct Playing<'a> {
    stage: &'a Stage,
    fault: Option<&'static Fault>,
}

impl Hooks for Playing<'_> {
    fn render(&self, store: &Store, run: &RunId) -> Rendered {
        rendered(store, run)
    }

    fn confirm(&self, _task: &Task) -> Result<bool, RunError> {
        Ok(true)
    }

    fn after_task<'a>(&'a self, task: &'a TaskId) -> Local<'a, Result<(), RunError>> {
        Box::pin(async move {
            match self.fault.and_then(|fault| fault.script_after(task.as_str())) {
                Some(script) => self.stage.as_superuser(script).await.map_err(|error| RunError::Setup {
                    what: error.to_string(),
                    hint: "this is a defect of the demo, not of the plan".to_owned(),
                }),
                None => Ok(()),
            }
        })
    }
}

impl From<DemoError> for CliError {
    fn from(error: DemoError) -> Self {
        let this = Self::setup(error.to_string());
        match error.hint() {
            Some(hint) => this.hint(hint),
            None => this,
        }
    }
}
