//! Layouts: how a team's migrations lie on disk. One reader per file; the match over [`Layout`] is exhaustive, so that a new
//! layout is a variant, a file and what the compiler then asks for.

pub mod plain;
pub mod version;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use version::{compare, same};

/// The layouts that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A folder of numbered SQL files, with down and verify scripts beside them or in folders of their own.
    Plain,
}

impl Layout {
    /// The layout of this name in `ledger.toml`; `auto` detects it.
    pub fn named(name: &str, _dir: &Path) -> Result<Self, LayoutError> {
        match name {
            // One layout can be read so far, so there is nothing to tell apart.
            "auto" | "plain" => Ok(Self::Plain),
            other => Err(LayoutError::UnknownLayout { name: other.to_owned() }),
        }
    }

    /// The layout's name in `ledger.toml` and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
        }
    }
}

/// A script as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Relative to the migrations folder, `/`-separated.
    pub file: String,
    pub bytes: Vec<u8>,
    /// SHA-256 (hex) of the bytes.
    pub sha256: String,
}

impl Script {
    /// A script of these bytes.
    pub fn new(file: impl Into<String>, bytes: Vec<u8>) -> Self {
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Self { file: file.into(), bytes, sha256 }
    }
}

/// One migration: its way up, and perhaps its way down and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// As written in the file's name: `003`.
    pub version: String,
    /// `foreign_keys`.
    pub name: String,
    pub up: Script,
    pub down: Option<Script>,
    pub verify: Option<Script>,
    /// Whether the way up runs in one transaction. False where the file says so, or holds a statement that cannot.
    pub transactional: bool,
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
}

/// An oddity, with the file or version it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    pub kind: OddityKind,
    /// A file, or the missing version.
    pub subject: String,
    pub message: String,
}

/// All migrations of a folder, in numeric order of their versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationSet {
    pub layout: Layout,
    pub dir: PathBuf,
    pub migrations: Vec<Migration>,
    pub oddities: Vec<Oddity>,
    /// Number of `.sql` files looked at.
    pub files: usize,
}

impl MigrationSet {
    /// Reads the folder in the layout of this name (`auto`: detected).
    pub fn read(dir: &Path, layout: &str) -> Result<Self, LayoutError> {
        let layout = Layout::named(layout, dir)?;
        match layout {
            Layout::Plain => plain::read(dir),
        }
    }

    /// The migration of this version (`3` finds `003`).
    pub fn find(&self, version: &str) -> Option<&Migration> {
        self.migrations.iter().find(|migration| same(&migration.version, version))
    }

    /// The highest version.
    pub fn last_version(&self) -> Option<&str> {
        self.migrations.last().map(|migration| migration.version.as_str())
    }
}

/// A folder that cannot be read as migrations.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("unknown layout `{name}`; known are: auto, plain")]
    UnknownLayout { name: String },
}
