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
    Diesel,
    Refinery,
    Sqitch,
    Liquibase,
    GraphileMigrate,
    NodePgMigrate,
    SqlMigrate,
    Yoyo,
    Prisma,
    Drizzle,
    Hasura,
    Atlas,
    /// No files of ours to read: the team's own tool is run.
    Command,
}

macro_rules! only_read {
    ($tool:literal, $command:literal) => {
        Some(concat!(
            "ledger reads ",
            $tool,
            "'s history and does not write it, since it was not tried against ",
            $tool,
            " itself. Give its own command, and ledger runs it: [migrations.command] up = ",
            $command,
            " in ledger.toml; or run it yourself, and then the tasks that verify"
        ))
    };
}

impl Layout {
    /// Every layout whose files are read, in the order in which they are listed.
    pub const ALL: [Self; 19] = [
        Self::Plain,
        Self::Supabase,
        Self::Flyway,
        Self::GolangMigrate,
        Self::Goose,
        Self::Dbmate,
        Self::Sqlx,
        Self::Diesel,
        Self::Refinery,
        Self::Sqitch,
        Self::Liquibase,
        Self::GraphileMigrate,
        Self::NodePgMigrate,
        Self::SqlMigrate,
        Self::Yoyo,
        Self::Prisma,
        Self::Drizzle,
        Self::Hasura,
        Self::Atlas,
    ];

    /// The layout of this name in `ledger.toml`; `auto` detects it.
    pub fn named(name: &str, dir: &Path) -> Result<Self, LayoutError> {
        if name == "auto" {
            return detect::detect(dir);
        }
        let all = Self::ALL.into_iter().chain([Self::Command]);
        all.into_iter().find(|layout| layout.name() == name).ok_or_else(|| LayoutError::UnknownLayout { name: name.to_owned() })
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
            Self::Diesel => "diesel",
            Self::Refinery => "refinery",
            Self::Sqitch => "sqitch",
            Self::Liquibase => "liquibase",
            Self::GraphileMigrate => "graphile-migrate",
            Self::NodePgMigrate => "node-pg-migrate",
            Self::SqlMigrate => "sql-migrate",
            Self::Yoyo => "yoyo",
            Self::Prisma => "prisma",
            Self::Drizzle => "drizzle",
            Self::Hasura => "hasura",
            Self::Atlas => "atlas",
            Self::Command => "command",
        }
    }

    /// `plain, supabase, …`.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ") + ", command"
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
            Self::Diesel => "public.__diesel_schema_migrations",
            Self::Refinery => "public.refinery_schema_history",
            Self::Sqitch => "sqitch.changes",
            Self::Liquibase => "public.databasechangelog",
            Self::GraphileMigrate => "graphile_migrate.migrations",
            Self::NodePgMigrate => "public.pgmigrations",
            Self::SqlMigrate => "public.gorp_migrations",
            Self::Yoyo => "public._yoyo_migration",
            Self::Prisma => "public._prisma_migrations",
            Self::Drizzle => "drizzle.__drizzle_migrations",
            Self::Hasura => "hdb_catalog.hdb_version",
            Self::Atlas => "atlas_schema_revisions.atlas_schema_revisions",
            Self::Command => "",
        }
    }

    /// Why files of this layout are examined and never applied to a target by ledger itself, where that is so: the real tool could not be
    /// run against ours in a test, and a history that it then misreads is worse than none.
    pub fn read_only(self) -> Option<&'static str> {
        match self {
            Self::Flyway => only_read!("Flyway", r#"["flyway", "migrate"]"#),
            Self::GolangMigrate => only_read!("golang-migrate", r#"["migrate", "-path", "migrations", "-database", "$URL", "up"]"#),
            Self::Goose => only_read!("goose", r#"["goose", "-dir", "migrations", "up"]"#),
            Self::Prisma => only_read!("Prisma", r#"["npx", "prisma", "migrate", "deploy"]"#),
            Self::Drizzle => only_read!("drizzle", r#"["npx", "drizzle-kit", "migrate"]"#),
            Self::Hasura => only_read!("Hasura", r#"["hasura", "migrate", "apply"]"#),
            Self::Atlas => only_read!("Atlas", r#"["atlas", "migrate", "apply", "--env", "staging"]"#),
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
            Self::Diesel => Some("a metadata.toml beside it that says `run_in_transaction = false`"),
            Self::Liquibase => Some("`runInTransaction:false` on the `--changeset` line"),
            Self::GraphileMigrate => Some("`--! no-transaction` as the first line of its body"),
            Self::SqlMigrate => Some("`notransaction` on the `-- +migrate Up` line"),
            Self::Yoyo => Some("a first line `-- transactional: false`"),
            Self::Atlas => Some("a line `-- atlas:txmode none` at the beginning of the file"),
            Self::Supabase | Self::GolangMigrate | Self::Refinery | Self::Sqitch | Self::NodePgMigrate | Self::Command => None,
            Self::Prisma | Self::Drizzle | Self::Hasura => None,
        }
    }

    /// Whether the tool runs statements that cannot share a transaction alone, wherever they stand.
    pub(super) fn runs_alone_what_must(self) -> bool {
        match self {
            // sqitch's scripts are psql's, which sends statement by statement.
            Self::Plain | Self::Supabase | Self::Sqitch => true,
            _ => false,
        }
    }

    /// Whether scripts of this layout go through psql, or through something that reads what psql reads. With all other tools psql's commands
    /// and rows below a COPY are errors.
    pub(super) fn goes_through_psql(self) -> bool {
        matches!(self, Self::Plain | Self::Sqitch)
    }

    /// Whether the tool sends a script as one message, so that several statements share a transaction even without `BEGIN`
    /// (PostgreSQL manual, protocol: multiple statements in a simple query).
    pub(super) fn sends_one_message(self) -> bool {
        match self {
            Self::GolangMigrate
            | Self::Dbmate
            | Self::Sqlx
            | Self::Diesel
            | Self::Refinery
            | Self::GraphileMigrate
            | Self::Prisma
            | Self::Hasura
            | Self::NodePgMigrate => true,
            Self::Plain | Self::Supabase | Self::Flyway | Self::Goose | Self::Sqitch | Self::Liquibase => false,
            Self::SqlMigrate | Self::Yoyo | Self::Drizzle | Self::Atlas | Self::Command => false,
        }
    }

    /// Whether the tool itself puts a transaction around a script.
    pub(super) fn wraps(self) -> bool {
        !matches!(self, Self::GolangMigrate | Self::Prisma | Self::Hasura)
    }
}
