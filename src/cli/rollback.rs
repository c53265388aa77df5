//! `ledger rollback`: the emergency path.

use std::path::PathBuf;

use super::run::{Asking, with_engine};
use super::session;
use super::ui::{Tone, inert};
use super::{CliError, Exit, Globals, MessageFormat};
use crate::domain::Outcome;
use crate::migrate::revert::way_back;
use crate::migrate::{MigrationSet, history};
use crate::pg::Access;
use crate::steps::rollback::Fresh;

/// Roll the target back to a version: the emergency path
#[derive(Debug, clap::Args)]
#[command(after_help = "A fresh backup is made, restored into a scratch database and compared first; without it nothing is begun. Then the down scripts run newest first, each in its\n\
                        transaction; afterwards the version is read from the database and verified. All of it is recorded, and every\n\
                        earlier result of the run is stale from then on.\n\n\
                        Examples:\n  ledger rollback --target-version 003 --dry-run\n  ledger rollback --target-version 003 --confirm contracts_staging")]
pub struct Args {
    /// The version the database is at afterwards
    #[arg(long, value_name = "VERSION")]
    target_version: String,
    /// The database's name, instead of typing it
    #[arg(long, value_name = "DATABASE")]
    confirm: Option<String>,
    /// Go on with a fresh backup that nobody restored; recorded as undecided
    #[arg(long, conflicts_with = "dry_run")]
    without_restoring: bool,
    /// Only say which scripts would run
    #[arg(long, conflicts_with = "confirm")]
    dry_run: bool,
    /// The environment of ledger.toml to connect to
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// A file that holds the connection URL
    #[arg(long, value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// Who acts
    #[arg(long = "as", value_name = "PRINCIPAL")]
    actor: Option<String>,
}

/// Confirms, rolls back, says where the database is.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let mut store = globals.open_ledger_for_writing()?;
    session::runtime()?.block_on(async {
        let connected = session::connect(globals, args.env.as_deref(), args.database_url_file.as_deref()).await?;
        session::header(&ui, &connected, &store)?;
        if args.dry_run {
            return preview(args, globals, &connected).await;
        }
        let database = connected.target.identity().database.clone();
        match &args.confirm {
            Some(name) if *name != database => {
                return Err(CliError::setup(format!("--confirm {name} is not the connected database, {database}"))
                    .hint("check which database you are about to change"));
            }
            Some(_) => {}
            None => super::run::typed_confirmation(&ui, &format!("The rollback to version {}", args.target_version), &database).await?,
        }
        let actor = super::globals::actor(args.actor.as_deref());
        let fresh = if args.without_restoring { Fresh::Made } else { Fresh::Restored };
        let hooks = Asking { ui, database, confirmed: true, seal: None };
        let done = with_engine(&ui, &mut store, &connected, &actor, &hooks, async |mut engine| engine.roll_back(&args.target_version, fresh).await).await?;
        if ui.format == MessageFormat::Json {
            ui.json(&serde_json::json!({"schema": "ledger.rollback/1", "run": done.run, "outcome": done.outcome, "seq": done.seq}))?;
        } else {
            let tone = if done.outcome == Outcome::Pass { Tone::Good } else { Tone::Bad };
            ui.answer(format!("rollback to {}: {} (entry {})", args.target_version, ui.out(&inert(&done.outcome.to_string()), tone), done.seq));
            ui.note(format!("Next: ledger show {} · ledger run", done.seq));
        }
        Ok(match done.outcome {
            Outcome::Pass => Exit::Good,
            Outcome::Fail => Exit::NoGo,
            Outcome::Unknown(_) | Outcome::Skipped(_) => Exit::Undecided,
        })
    })
}

/// The scripts that would run, in order; nothing is changed and nothing recorded.
async fn preview(args: &Args, globals: &Globals, connected: &session::Connected) -> Result<Exit, CliError> {
    let ui = globals.ui();
    let config = &connected.config.migrations;
    let set = MigrationSet::configured(&connected.root, config)
        .map_err(|error| CliError::setup("the migrations cannot be read").cause(error))?;
    let eyes = connected.target.session(Access::ReadOnly).await.map_err(|error| CliError::setup("cannot connect").cause(error))?;
    let state = history::schema_state(&eyes, &set, config.baseline.as_deref())
        .await
        .map_err(|error| CliError::setup("the migration history cannot be read").cause(error))?;
    let back = way_back(&set, &args.target_version, |version| state.has(version));
    let from = state.version().unwrap_or("unknown").to_owned();
    ui.answer(format!("from version {from} to {}: {} scripts", args.target_version, back.len()));
    let mut missing = 0;
    for migration in &back {
        match &migration.down {
            Some(down) => ui.answer(format!("  {} {}  {}", migration.version, migration.name, down.file)),
            None => {
                missing += 1;
                ui.answer(format!("  {} {}  no down script: the way back is the backup", migration.version, migration.name));
            }
        }
    }
    Ok(if missing == 0 && !back.is_empty() { Exit::Good } else { Exit::Undecided })
}
