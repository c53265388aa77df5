//! Layouts: how a team's migrations lie on disk. One reader per file; the matches over [`Layout`] are exhaustive, so that a new
//! layout is a variant, a file here, a file under `history/`, and what the compiler then asks for.
//!
//! 1. [`detect`] finds the one layout that fits, or says which fit and how to tell them apart.
//! 2. The reader makes [`Migration`]s in the order in which the layout's own tool runs them.
//! 3. What all layouts have in common is done once, in [`finish`]: a transaction that a file brings along is made ours, statements
//!    that the tool would run elsewhere than we do are findings, as are versions used twice and orders that differ.
//!
//! A script that is a part of a file is that file with everything else blanked out, so that every message has the file's own lines.

pub mod detect;
mod find;
mod finish;
mod kind;
pub mod script;
mod tools;
pub mod version;
mod walk;

mod atlas;
mod dbmate;
mod diesel;
mod drizzle;
mod flyway;
mod golang;
mod goose;
mod graphile;
mod hasura;
mod liquibase;
mod node_pg;
mod numbers;
pub mod plain;
mod prisma;
mod refinery;
pub mod sqitch;
mod sql_migrate;
mod sqlx;
mod supabase;
mod yoyo;

use std::path::{Path, PathBuf};

pub use find::{Found, find};
pub use kind::Layout;
pub use script::Script;
pub use tools::Tool;
pub use version::{compare, same};

/// One migration: its way up, and perhaps its way down and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    pub layout: Layout,
    /// As written in the file's name: `003`. Where the layout has a plan and no numbers, the place in it.
    pub version: String,
    /// `foreign_keys`.
    pub name: String,
    pub up: Script,
    pub down: Option<Script>,
    pub verify: Option<Script>,
    /// Whether the way up runs in one transaction. False where the file says so, or holds a statement that cannot.
    pub transactional: bool,
    /// What the layout's own history calls it, where that is not the version.
    pub key: Key,
    /// Of the way up, as the layout's own tool computes it, where its history holds one.
    pub checksum: Option<String>,
    /// The history table of the layout, quoted.
    pub history: String,
}

impl Migration {
    /// A migration that its layout's history knows by its version.
    pub fn new(layout: Layout, version: impl Into<String>, name: impl Into<String>, up: Script) -> Self {
        Self {
            layout,
            version: version.into(),
            name: name.into(),
            up,
            down: None,
            verify: None,
            transactional: true,
            key: Key::Version,
            checksum: None,
            history: layout.default_history().to_owned(),
        }
    }
}

/// What a layout's history calls a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Version,
    /// Such as a file's name.
    Name(String),
    /// graphile-migrate's hash, the one before, and the file's name without its slug.
    Hashed {
        hash: String,
        previous: Option<String>,
        file: String,
    },
    /// Liquibase's.
    ChangeSet {
        id: String,
        author: String,
        file: String,
    },
    /// sqitch's, with all that its registry keeps of it.
    Sqitch(Box<sqitch::Change>),
}

/// What kind of oddity a layout reader met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OddityKind {
    /// Two files claim one version.
    DuplicateVersion,
    /// A number is missing in a gapless sequence.
    Gap,
    /// A down or verify script without a migration.
    Unmatched,
    /// Two down (or two verify) scripts for one version.
    Ambiguous,
    /// An `.sql` file without a version.
    Unnumbered,
    /// Sorting by name gives another order than sorting by number.
    NameOrder,
    /// The layout's tool would run this, and it cannot be run here as that tool runs it.
    NotImportable,
}

/// An oddity, with the file or version it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    pub kind: OddityKind,
    /// A file, `file:line`, or the missing version.
    pub subject: String,
    pub message: String,
}

impl Oddity {
    /// Something that cannot be run here as its own tool runs it.
    pub(super) fn not_importable(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: OddityKind::NotImportable, subject: subject.into(), message: message.into() }
    }
}

/// All migrations of a folder, in the order in which they are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationSet {
    pub layout: Layout,
    pub dir: PathBuf,
    pub migrations: Vec<Migration>,
    pub oddities: Vec<Oddity>,
    /// Number of files looked at.
    pub files: usize,
    /// With the command layout: where its tool keeps its history.
    pub asked_history: Option<String>,
}

impl MigrationSet {
    /// Reads the folder in the layout of this name (`auto`: detected).
    pub fn read(dir: &Path, layout: &str) -> Result<Self, LayoutError> {
        Self::of(dir, Layout::named(layout, dir)?)
    }

    /// Reads the project's migrations as `ledger.toml` describes them.
    pub fn configured(root: &Path, config: &crate::config::Migrations) -> Result<Self, LayoutError> {
        let mut set = Self::read(&root.join(&config.dir), &config.layout)?;
        match (&config.command, set.layout) {
            (Some(command), Layout::Command) if !command.up.is_empty() && crate::migrate::history::command_understood(&command.history) => {
                set.asked_history = Some(command.history.clone());
            }
            (_, Layout::Command) => return Err(LayoutError::NoCommand),
            _ => {}
        }
        if let Some(table) = &config.history_table {
            let quoted = quoted_name(table).ok_or_else(|| LayoutError::HistoryTable { name: table.clone() })?;
            for migration in &mut set.migrations {
                migration.history.clone_from(&quoted);
            }
        }
        Ok(set)
    }

    fn of(dir: &Path, layout: Layout) -> Result<Self, LayoutError> {
        let mut set = match layout {
            Layout::Plain => return plain::read(dir),
            Layout::Supabase => supabase::read(dir),
            Layout::Flyway => flyway::read(dir),
            Layout::GolangMigrate => golang::read(dir),
            Layout::Goose => goose::read(dir),
            Layout::Dbmate => dbmate::read(dir),
            Layout::Sqlx => sqlx::read(dir),
            Layout::Diesel => diesel::read(dir),
            Layout::Refinery => refinery::read(dir),
            Layout::Sqitch => sqitch::read(dir),
            Layout::Liquibase => liquibase::read(dir),
            Layout::GraphileMigrate => graphile::read(dir),
            Layout::NodePgMigrate => node_pg::read(dir),
            Layout::SqlMigrate => sql_migrate::read(dir),
            Layout::Yoyo => yoyo::read(dir),
            Layout::Prisma => prisma::read(dir),
            Layout::Drizzle => drizzle::read(dir),
            Layout::Hasura => hasura::read(dir),
            Layout::Atlas => atlas::read(dir),
            Layout::Command => return Ok(Self::empty(Layout::Command, dir)),
        }?;
        finish::finish(&mut set);
        Ok(set)
    }

    /// An empty set, for a reader to fill.
    fn empty(layout: Layout, dir: &Path) -> Self {
        Self { layout, dir: dir.to_path_buf(), migrations: Vec::new(), oddities: Vec::new(), files: 0, asked_history: None }
    }

    /// The history table that this set's migrations are recorded in, quoted.
    pub fn history(&self) -> &str {
        self.migrations.first().map_or(self.layout.default_history(), |migration| migration.history.as_str())
    }

    /// Whether a table (`schema.table`, as the server quotes it) is the layout's own bookkeeping.
    pub fn keeps(&self, table: &str) -> bool {
        let table = table.replace('"', "");
        let own = self.history().replace('"', "");
        let schema = own.split('.').next().unwrap_or_default();
        match self.layout {
            Layout::Sqitch | Layout::Supabase | Layout::GraphileMigrate | Layout::Plain | Layout::Hasura | Layout::Atlas => {
                table.split('.').next() == Some(schema)
            }
            Layout::Yoyo => table == own || table.starts_with(&format!("{schema}._yoyo_")) || table == format!("{schema}.yoyo_lock"),
            Layout::Liquibase => table == own || table == format!("{own}lock"),
            _ => table == own,
        }
    }

    /// The migration of this version (`3` finds `003`), or of this name where no version is meant.
    pub fn find(&self, version: &str) -> Option<&Migration> {
        let by_version = self.migrations.iter().find(|migration| same(&migration.version, version));
        by_version.or_else(|| self.migrations.iter().find(|migration| migration.name == version))
    }

    /// The migrations up to and with this version (`None`: all), in the order in which they are run.
    pub fn up_to(&self, version: Option<&str>) -> impl Iterator<Item = &Migration> {
        let last = version.and_then(|version| self.migrations.iter().rposition(|m| same(&m.version, version)));
        self.migrations.iter().take(last.map_or(self.migrations.len(), |last| last + 1))
    }

    /// The highest version.
    pub fn last_version(&self) -> Option<&str> {
        let numbered = self.migrations.iter().rev().find(|m| version::is_numbered(&m.version));
        numbered.or(self.migrations.last()).map(|migration| migration.version.as_str())
    }
}

/// `schema.table` or `table` (in `public`), quoted; `None` if it is neither.
fn quoted_name(name: &str) -> Option<String> {
    let (schema, table) = name.split_once('.').unwrap_or(("public", name));
    let part = |part: &str| (!part.is_empty() && !part.contains(['.', '"', '\0'])).then(|| format!("\"{part}\""));
    Some(format!("{}.{}", part(schema)?, part(table)?))
}

/// A folder that cannot be read as migrations.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("unknown layout `{name}`; known are: auto, {}", Layout::names())]
    UnknownLayout { name: String },
    /// The files fit more than one layout, and which it is decides what counts as applied.
    #[error("{dir} can be read as {fits}: set `layout = \"…\"` under [migrations] in ledger.toml to the tool you use")]
    TwoFit { dir: PathBuf, fits: String },
    /// The folder's migrations are not SQL.
    #[error("{dir} holds {what} (such as {example}), which is not SQL: {way_out}")]
    NotSql { dir: PathBuf, what: &'static str, example: String, way_out: &'static str },
    #[error(
        "layout = \"command\" needs [migrations.command] in ledger.toml with `up = [\"program\", …]` and `history`: a query of two columns \
         (version, name), or one of {}",
        crate::migrate::history::command_names()
    )]
    NoCommand,
    #[error("history-table `{name}` is not a table's name: write `table` or `schema.table`, without quotes")]
    HistoryTable { name: String },
    /// A plan or settings file of the layout that says something it must not.
    #[error("{file}:{line}: {message}")]
    Plan { file: String, line: u64, message: String },
}
