//! The layouts, by name, and what each one's own tool does that all of them do in some way.

use std::path::Path;

use super::{LayoutError, detect};

/// The layouts that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// A folder of numbered SQL files, with down and verify scripts beside them or in folders of their own.
    Plain,
    Supabase,
    Flyway,
    GolangMigrate,
    Goose,
    Dbmate,
    Sqlx,
}

impl Layout {
    /// Every layout, in the order in which they are listed.
    pub const ALL: [Self; 7] = [Self::Plain, Self::Supabase, Self::Flyway, Self::GolangMigrate, Self::Goose, Self::Dbmate, Self::Sqlx];

    /// The layout of this name in `ledger.toml`; `auto` detects it.
    pub fn named(name: &str, dir: &Path) -> Result<Self, LayoutError> {
        if name == "auto" {
            return detect::detect(dir);
        }
        Self::ALL.into_iter().find(|layout| layout.name() == name).ok_or_else(|| LayoutError::UnknownLayout { name: name.to_owned() })
    }

    /// The layout's name in `ledger.toml` and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Supabase => "supabase",
            Self::Flyway => "flyway",
            Self::GolangMigrate => "golang-migrate",
            Self::Goose => "goose",
            Self::Dbmate => "dbmate",
            Self::Sqlx => "sqlx",
        }
    }

    /// `plain, supabase, …`.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The table in which the layout's tool keeps its history unless told otherwise, quoted.
    pub fn default_history(self) -> &'static str {
        match self {
            Self::Plain => "ledger.schema_history",
            Self::Supabase => "supabase_migrations.schema_migrations",
            Self::Flyway => "public.flyway_schema_history",
            Self::GolangMigrate | Self::Dbmate => "public.schema_migrations",
            Self::Goose => "public.goose_db_version",
            Self::Sqlx => "public._sqlx_migrations",
        }
    }

    /// Why files of this layout are examined and never applied to a target, where that is so.
    pub fn read_only(self) -> Option<&'static str> {
        match self {
            Self::Flyway => Some(
                "Flyway's history holds checksums and ranks that only Flyway may write, so ledger reads it and never writes it: apply with \
                 `flyway migrate` (as a task: uses = \"command\"), then run the verification tasks",
            ),
            _ => None,
        }
    }

    /// How a file opts out of the transaction that the tool wraps around it; `None`: it cannot.
    pub(super) fn opt_out(self) -> Option<&'static str> {
        match self {
            Self::Plain => Some("a first line `-- no-transaction`"),
            Self::Flyway => Some("a file of the same name with `.conf` after it that says `executeInTransaction=false`"),
            Self::Goose => Some("a line `-- +goose NO TRANSACTION`"),
            Self::Dbmate => Some("`transaction:false` on the `-- migrate:up` line"),
            Self::Sqlx => Some("`-- no-transaction` as the very first bytes of the file"),
            Self::Supabase | Self::GolangMigrate => None,
        }
    }

    /// Whether the tool runs statements that cannot share a transaction alone, wherever they stand.
    pub(super) fn runs_alone_what_must(self) -> bool {
        match self {
            Self::Plain | Self::Supabase => true,
            Self::Flyway | Self::GolangMigrate | Self::Goose | Self::Dbmate | Self::Sqlx => false,
        }
    }

    /// Whether the tool sends a script as one message, so that several statements share a transaction even without `BEGIN`
    /// (PostgreSQL manual, protocol: multiple statements in a simple query).
    pub(super) fn sends_one_message(self) -> bool {
        match self {
            Self::GolangMigrate | Self::Dbmate | Self::Sqlx => true,
            Self::Plain | Self::Supabase | Self::Flyway | Self::Goose => false,
        }
    }

    /// Whether the tool itself puts a transaction around a script.
    pub(super) fn wraps(self) -> bool {
        !matches!(self, Self::GolangMigrate)
    }
}
