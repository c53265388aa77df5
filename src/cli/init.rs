//! `ledger init`: a commented ledger.toml with a whole plan in it, and an empty ledger. A ledger.toml that is there (in a clone of the
//! team's repository, say) is read and kept, and gets its ledger.

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::ValueEnum;

use super::globals::actor;
use super::{CliError, Exit, Globals, MessageFormat};
use crate::chain::Store;
use crate::config::{self, Config};
#[cfg(feature = "pg")]
use crate::report::format;

/// Write a commented ledger.toml and an empty ledger; a ledger.toml that is there is kept
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is to be done: a staging migration (CE-P0-06), or the examination of a database as it stands [default: migration]
    #[arg(long, value_enum)]
    plan: Option<Plan>,
    /// Settings for a platform; without it for a PostgreSQL of your own
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// Replace the ledger.toml that is there (a ledger is never replaced)
    #[arg(long)]
    force: bool,
    /// Who makes the ledger [env: LEDGER_ACTOR] [default: the operating system's user, unverified]
    #[arg(long = "as", value_name = "PRINCIPAL")]
    principal: Option<String>,
}

/// The plans that come with the program; any other is written by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Plan {
    /// Nine tasks from the backup to the readiness report
    Migration,
    /// Backup, row security, foreign keys, integrity; nothing is changed
    Examination,
}

/// Platforms with settings of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    Supabase,
}

/// The text, with the folder in which the project keeps its migrations, or the tool that runs them; the template names the ordinary folder.
#[cfg(feature = "pg")]
fn with_folder(text: String, root: &Path) -> String {
    let found = crate::migrate::layout::find(root);
    match (found.folder, found.tool) {
        (Some(folder), _) => text.replacen("\ndir = \"migrations\"\n", &format!("\ndir = {}\n", toml::Value::String(folder)), 1),
        (None, Some(tool)) => with_tool(&text, &tool),
        (None, None) => text,
    }
}

/// The text with the tool's lines in the place of the example's.
#[cfg(feature = "pg")]
fn with_tool(text: &str, tool: &crate::migrate::layout::Tool) -> String {
    let mut made = String::new();
    let mut example = false;
    for line in text.split_inclusive('\n') {
        if line.starts_with("# [migrations.command]") {
            made.push_str(&tool.toml());
            example = true;
        } else if example && line.starts_with('#') {
            // The example's own lines.
        } else if line.starts_with("layout = \"auto\"") {
            made.push_str(&format!("layout = \"command\"           # {}, see [migrations.command]\n", tool.name));
        } else {
            example = false;
            made.push_str(line);
        }
    }
    made
}

/// What lies in the configured folder, or where else the project's migrations are: one line, and lines to paste below it.
#[cfg(feature = "pg")]
fn migrations(root: &Path, config: &Config) -> Option<(String, Option<String>)> {
    use crate::migrate::layout::{Layout, LayoutError, Tool};
    let dir = &config.migrations.dir;
    let tools = |tool: &Tool| format!("{}'s (such as {}), which is code and no SQL", tool.name, tool.example);
    let paste = |tool: &Tool| format!("[migrations]\nlayout = \"command\"\n\n{}", tool.toml());
    let found = || crate::migrate::layout::find(root);
    if config.migrations.layout != "command" && !root.join(dir).is_dir() {
        let found = found();
        let (line, lines) = match (found.tool, found.several.as_slice(), found.folder) {
            (Some(tool), ..) => (format!("{}: let the tool run them, by these lines in ledger.toml", tools(&tool)), Some(paste(&tool))),
            (None, [], None) => (format!("{}: no such folder, and none is found; name theirs in ledger.toml, [migrations] dir", dir.display()), None),
            (None, [], Some(folder)) => {
                (format!("{}: no such folder; they may be in {folder}: ledger.toml, [migrations] dir", dir.display()), None)
            }
            (None, several, _) => {
                let more = several.len().saturating_sub(SHOWN);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let shown = several.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
                (format!("more than one folder may hold them: {shown}{more}; name one in ledger.toml, [migrations] dir"), None)
            }
        };
        return Some((line, lines));
    }
    Some(match crate::migrate::MigrationSet::configured(root, &config.migrations) {
        Ok(set) if set.layout == Layout::Command => {
            let up = config.migrations.command.as_ref().map(|command| command.up.join(" ")).unwrap_or_default();
            let whose = found().tool.map(|tool| format!("{}: ", tools(&tool))).unwrap_or_default();
            (format!("{whose}run by `{up}`, and what it did is read from the database"), None)
        }
        Ok(set) => {
            let read = set.layout.read_only().map_or("", |_| ", examined here and applied by its own tool");
            let found = format::plural(set.migrations.len() as u64, "migration", "migrations");
            (format!("{}, layout {}, {found}{read}", dir.display(), set.layout.name()), None)
        }
        Err(error) => match (&error, found().tool) {
            (LayoutError::NotSql { .. }, Some(tool)) => (error.to_string(), Some(paste(&tool))),
            _ => (error.to_string(), None),
        },
    })
}

/// How many folders are named where several may be meant.
#[cfg(feature = "pg")]
const SHOWN: usize = 4;

/// The auditor's program reads no migrations.
#[cfg(not(feature = "pg"))]
fn with_folder(text: String, _root: &Path) -> String {
    text
}

#[cfg(not(feature = "pg"))]
fn migrations(_root: &Path, _config: &Config) -> Option<(String, Option<String>)> {
    None
}

/// Writes both files beside and renames them into place; what is there stays.
pub fn run(args: &Args, globals: &Globals) -> Result<Exit, CliError> {
    let root = match &globals.project {
        Some(dir) => dir.clone(),
        None => std::env::current_dir().map_err(|error| CliError::setup("cannot tell the current folder").cause(error))?,
    };
    let toml = root.join("ledger.toml");
    let db = root.join("evidence").join("ledger.db");
    let kept = toml.exists() && !args.force;
    if kept && db.exists() {
        return Err(CliError::setup(format!("{} and {} exist already", toml.display(), db.display()))
            .hint("edit ledger.toml, or `ledger init --force` to replace it; the ledger itself is never replaced"));
    }
    let config = match kept {
        true if args.plan.is_some() || args.preset.is_some() => {
            return Err(CliError::new(Exit::Usage, format!("--plan and --preset choose what a new ledger.toml says, and {} is there", toml.display()))
                .hint("leave them out to keep it, or add --force to replace it"));
        }
        true => Config::load(&toml)?.0,
        false => write(args, &toml)?,
    };
    let evidence = root.join("evidence");
    fs::create_dir_all(&evidence).map_err(|error| CliError::setup(format!("cannot make {}", evidence.display())).cause(error))?;
    let opened = match db.exists() {
        true => Store::open(&db),
        false => Store::create(&db, &actor(args.principal.as_deref())),
    };
    let store = opened?;
    let id = store.ledger_id().to_hex();
    store.close()?;

    let ui = globals.ui();
    let plan = &config.plan;
    let migrates = plan.tasks.iter().any(|task| task.uses.writes_to_target());
    let found = migrations(&root, &config).filter(|_| migrates);
    if ui.format == MessageFormat::Json {
        let (line, lines) = found.unzip();
        ui.json(&serde_json::json!({
            "schema": "ledger.init/1", "config": toml.display().to_string(), "ledger": db.display().to_string(), "ledger_id": id,
            "migrations": line, "paste": lines.flatten(),
        }))?;
        return Ok(Exit::Good);
    }
    let how = if kept { "kept as it is" } else { "commented, to be edited" };
    ui.answer(format!("      Config  {}, plan {}, {how}", toml.display(), config.plan.id));
    ui.answer(format!("      Ledger  {}, id {id}", db.display()));
    if let Some((line, lines)) = found {
        ui.answer(format!("  Migrations  {line}"));
        for line in lines.iter().flat_map(|lines| lines.lines()) {
            ui.answer(format!("              {line}").trim_end());
        }
    }
    let run = if migrates { "ledger run --dry-run" } else { "ledger run" };
    ui.answer(format!("        Next  put the URL into STAGING_DATABASE_URL · ledger plan · {run}"));
    Ok(Exit::Good)
}

/// Writes the ledger.toml that was asked for; what it says.
fn write(args: &Args, toml: &Path) -> Result<Config, CliError> {
    let preset = match args.preset {
        None => config::Preset::Plain,
        Some(Preset::Supabase) => config::Preset::Supabase,
    };
    let text = match args.plan.unwrap_or(Plan::Migration) {
        Plan::Migration => preset.text(),
        Plan::Examination => preset.examination(),
    };
    let root = toml.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let text = with_folder(text, root);
    write_beside(toml, text.as_bytes(), args.force)
        .map_err(|error| CliError::setup(format!("cannot write {}", toml.display())).cause(error))?;
    Ok(Config::load(toml)?.0)
}

/// Writes a file whole or not at all; without `replace` an existing one is kept and named.
fn write_beside(path: &Path, bytes: &[u8], replace: bool) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new().prefix(".ledger-").tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.as_file().sync_all()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        beside.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    match replace {
        true => beside.persist(path).map(drop).map_err(|error| error.error),
        false => beside.persist_noclobber(path).map(drop).map_err(|error| error.error),
    }
}
