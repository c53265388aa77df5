//! Options that every command takes, and where a project is.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{CliError, Ui};
use crate::chain::Store;
use crate::config::{Config, ConfigError};

/// How answers and errors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    #[default]
    Human,
    /// One JSON object a line on stdout, each with a `schema` field.
    Json,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
pub struct Globals {
    /// The project: the folder of ledger.toml [default: this folder or the nearest one above that has it]
    #[arg(short = 'C', long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub project: Option<PathBuf>,
    /// How answers and errors are written
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Global options")]
    pub message_format: MessageFormat,
    /// Only the answer and errors
    #[arg(short, long, global = true, help_heading = "Global options", conflicts_with = "verbose")]
    pub quiet: bool,
    /// More of what is done
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
}

impl Globals {
    /// The terminal as these options want it.
    pub fn ui(&self) -> Ui {
        Ui::new(self)
    }

    /// The project's folder: `--project`, or the nearest folder upwards with a `ledger.toml`.
    pub fn project_root(&self) -> Result<PathBuf, CliError> {
        let start = match &self.project {
            Some(dir) => dir.clone(),
            None => std::env::current_dir().map_err(|error| CliError::setup("cannot tell the current folder").cause(error))?,
        };
        let absolute =
            std::path::absolute(&start).map_err(|error| CliError::setup(format!("cannot use {}", start.display())).cause(error))?;
        let found = match self.project {
            Some(_) => Some(absolute.as_path()).filter(|dir| dir.join("ledger.toml").is_file()),
            None => absolute.ancestors().find(|dir| dir.join("ledger.toml").is_file()),
        };
        found.map(Path::to_path_buf).ok_or_else(|| {
            CliError::setup(format!("no ledger.toml in {} or above", absolute.display()))
                .hint("`ledger init` writes one here; `ledger demo` shows the whole on a throwaway database")
        })
    }

    /// The project's configuration and its exact bytes.
    pub fn config(&self) -> Result<(PathBuf, Config, Vec<u8>), CliError> {
        let root = self.project_root()?;
        let (config, bytes) = Config::load(&root.join("ledger.toml"))?;
        Ok((root, config, bytes))
    }

    /// Where the project's ledger is.
    pub fn ledger_path(&self) -> Result<PathBuf, CliError> {
        Ok(self.project_root()?.join("evidence").join("ledger.db"))
    }

    /// The project's ledger, for reading.
    pub fn open_ledger(&self) -> Result<Store, CliError> {
        let path = self.ledger_path()?;
        if !path.exists() {
            return Err(CliError::setup(format!("there is no ledger at {}", path.display())).hint("`ledger init` creates it"));
        }
        Store::open_read_only(&path).map_err(CliError::from)
    }

    /// The project's ledger, for appending.
    pub fn open_ledger_for_writing(&self) -> Result<Store, CliError> {
        let path = self.ledger_path()?;
        if !path.exists() {
            return Err(CliError::setup(format!("there is no ledger at {}", path.display())).hint("`ledger init` creates it"));
        }
        Store::open(&path).map_err(CliError::from)
    }
}

/// Who acts: `--as`, `LEDGER_ACTOR`, or the operating system's user, marked as unverified.
pub fn actor(named: Option<&str>) -> String {
    let given = named.map(str::to_owned).or_else(|| std::env::var("LEDGER_ACTOR").ok()).filter(|name| !name.trim().is_empty());
    given.unwrap_or_else(|| {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
        format!("{} (unverified)", user.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "unknown".into()))
    })
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::setup(error.to_string())
            .hint("mend it there; `ledger plan` reads it back, `ledger init` in an empty folder shows a whole one")
    }
}
