//! `ledger.toml` → [`Config`]. Everything that can change a verdict is here; an unknown key is an error.
//!
//! The bytes of the file become a part of the run's first entry, and report and verdict read that part, never the file.

mod preset;
mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use preset::Preset;
pub use read::ConfigError;

use crate::domain::plan::Plan;

/// The whole configuration of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    pub plan: Plan,
    /// The environment `ledger run` uses without `--env`.
    #[serde(default = "staging")]
    pub default_environment: String,
    #[serde(rename = "environment", default)]
    pub environments: BTreeMap<String, Environment>,
    #[serde(default)]
    pub safety: Safety,
    #[serde(default)]
    pub require: Require,
    #[serde(default)]
    pub migrations: Migrations,
    #[serde(default)]
    pub backup: Backup,
    #[serde(default)]
    pub scratch: Scratch,
    #[serde(default)]
    pub tenancy: Tenancy,
    #[serde(default)]
    pub foreign_keys: ForeignKeys,
    #[serde(default)]
    pub integrity: Integrity,
    #[serde(default)]
    pub performance: Performance,
    #[serde(default)]
    pub rollback: Rollback,
    #[serde(default)]
    pub checks: UserChecks,
    #[serde(default)]
    pub policy: Policy,
}

fn staging() -> String {
    "staging".into()
}

/// Where a target is and how to reach it. No secret stands here: the URL comes from a variable or a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Environment {
    /// The variable that holds the connection URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_env: Option<String>,
    /// A file that holds the connection URL, relative to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
}

/// What keeps us off production.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Safety {
    /// Regular expressions over `host/database`; a match is refused.
    pub production_patterns: Vec<String>,
}

impl Default for Safety {
    fn default() -> Self {
        Self { production_patterns: vec![r"(?i)\bprod(uction)?\b".into()] }
    }
}

/// What the environment must have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Require {
    /// Environment variables that must be set (their values are never read into evidence).
    pub variables: Vec<String>,
    /// Server settings and the values they must have.
    pub settings: BTreeMap<String, String>,
    /// Extensions that must be installed.
    pub extensions: Vec<String>,
    /// Free space needed beside the backups, as a multiple of the database's size.
    pub free_space_factor: Option<f64>,
}

/// The migrations and how they are run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Migrations {
    /// Relative to the project.
    pub dir: PathBuf,
    /// `auto` or the layout's name.
    pub layout: String,
    /// The version a database without history is at.
    pub baseline: Option<String>,
    /// The layout's history table where the tool was told to use another than its own default: `table` or `schema.table`.
    pub history_table: Option<String>,
    /// Apply up to this version and no further. Absent: everything.
    pub target_version: Option<String>,
    /// Why a pending migration may have a lower version than an applied one. Absent: it may not.
    pub out_of_order: Option<String>,
    /// With `layout = "command"`: the team's own tool, which is run instead of reading its files.
    pub command: Option<MigrationCommand>,
    pub lock_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    /// For CREATE INDEX CONCURRENTLY and its like.
    pub concurrently_timeout_ms: u64,
    /// How often a file is tried again after 55P03 or 40P01.
    pub retries: u32,
    /// Whether the locks of every statement are looked at, in the dry run and on the target.
    pub trace: bool,
    /// Whether CE-22 leaves the ledger's head in a table of the target, `ledger_anchor.head`. Off by default.
    pub anchor: bool,
    /// A table with at least so many rows is large: a statement that blocks it weighs more.
    pub large_table_rows: u64,
    /// Lint codes that are accepted, each with a reason: `code = "reason"`.
    pub suppress: BTreeMap<String, String>,
}

impl Default for Migrations {
    fn default() -> Self {
        Self {
            dir: "migrations".into(),
            layout: "auto".into(),
            baseline: None,
            history_table: None,
            target_version: None,
            out_of_order: None,
            command: None,
            lock_timeout_ms: 5_000,
            statement_timeout_ms: 600_000,
            concurrently_timeout_ms: 3_600_000,
            retries: 5,
            trace: true,
            anchor: false,
            large_table_rows: 100_000,
            suppress: BTreeMap::new(),
        }
    }
}

/// The team's own migration tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MigrationCommand {
    /// Program and arguments that apply what is pending, such as `["alembic", "upgrade", "head"]`; run in the project's folder.
    pub up: Vec<String>,
    /// What goes back one step, such as `["alembic", "downgrade", "-1"]`; run again until the history is where it was. The variable
    /// LEDGER_TARGET_VERSION holds the version to go back to. For scratch copies alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub down: Vec<String>,
    /// What shows where the tool believes to be; its output is kept beside what the history says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<String>,
    /// Where the tool keeps what it applied: its name (`alembic`, `django`, `rails`, …), or a query of two columns, version and name. Not
    /// needed with a layout of the tool's own, whose history is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub history: String,
    /// The variable in which the tool finds the URL of the database. libpq's own (`PGHOST`, `PGDATABASE`, …) are always set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_variable: Option<String>,
}

/// How backups are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Backup {
    /// Relative to the project; made 0700, dumps 0600.
    pub dir: PathBuf,
    /// A `pg_dump` to use instead of the one found for the server's version: relative to the project, or a bare name for PATH.
    pub pg_dump: Option<PathBuf>,
    /// The same for `pg_restore`.
    pub pg_restore: Option<PathBuf>,
    /// Schemas left out, named as not covered.
    pub exclude_schemas: Vec<String>,
    /// How many sessions restore and fingerprint at once, and dump where the format allows it.
    pub jobs: u32,
    /// `custom`: one file. `directory`: a folder with a file for each table, dumped by `jobs` sessions at once.
    pub format: BackupFormat,
    /// How many of the tool's own dumps stay in `dir`; older ones are removed once a newer one was restored and compared. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<usize>,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            dir: "backups".into(),
            pg_dump: None,
            pg_restore: None,
            exclude_schemas: Vec::new(),
            jobs: 1,
            format: BackupFormat::Custom,
            keep: None,
        }
    }
}

/// The form of a backup (PostgreSQL manual, "pg_dump", `--format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupFormat {
    #[default]
    Custom,
    Directory,
}

/// Where scratch copies live.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Scratch {
    /// `target`: the target's own server; `server`: another one, by `url-env`; `local`: a throwaway cluster on this machine, gone after the run.
    /// Absent: `server` where `url-env` is set, else `target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ScratchKind>,
    /// Another server for scratch copies: the variable that holds its URL.
    pub url_env: Option<String>,
}

/// Where scratch copies are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScratchKind {
    Target,
    Server,
    Local,
}

/// The tenant model, where it is stated rather than discovered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Tenancy {
    /// The tables that must isolate, `schema.table`. Empty: every table with row security or a tenant column.
    pub tables: Vec<String>,
    /// The table whose rows are the tenants.
    pub root: Option<String>,
    /// The discriminator's column name.
    pub column: Option<String>,
    /// Roles the application connects as (or switches to).
    pub roles: Vec<String>,
    /// Roles that go round row security by design (BYPASSRLS) and are never given to a client: named in the report, not probed.
    pub trusted_roles: Vec<String>,
    /// Whether row security must be forced on every tenant table, or only where the application can become the table's owner.
    pub force: bool,
    /// How a session says which tenant it acts for.
    pub identity: Option<Identity>,
    /// Roles within a tenant to probe as, each as `schema.table.column = label` or `setting→claim = label`; empty: those found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Where each tenant has a database role of its own: one of a tenant, one of another, and one of a third.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tenant_roles: Vec<String>,
    /// SQL that completes the rows of a tenant in the scratch copy, for tables in which none could be made. It is run once for each of two
    /// tenants, with their keys in the settings `ledger.tenant` and `ledger.person` and `a` or `b` in `ledger.world`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// Tables whose published, shared or listed rows every tenant may read by design, `schema.table`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub everybodys: Vec<String>,
    /// Why there are no tenants to keep apart. It counts only where the catalog shows none: what is found is examined all the same.
    pub single_tenant: Option<String>,
    /// Schemas in which tables are not looked for: those that backups leave out. Not in the file; a table of theirs can be named.
    #[serde(skip)]
    pub left_out: Vec<String>,
}

/// One way a session carries its identity. `setting` is given the tenant's key (or, for claims, a JSON object).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Identity {
    /// `app.tenant_id`, `request.jwt.claims`, …
    pub setting: String,
    /// For JSON claims: the path of the tenant's key in the object, such as `app_metadata.tenant_id`; empty: the value itself.
    #[serde(default)]
    pub claim: String,
}

/// What CE-24 expects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ForeignKeys {
    /// `child(column, …) -> parent(column, …)`.
    pub expected: Vec<String>,
    /// Why no key is expected, where `expected` is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none_expected: Option<String>,
    /// Per key.
    pub timeout_ms: u64,
}

impl Default for ForeignKeys {
    fn default() -> Self {
        Self { expected: Vec::new(), none_expected: None, timeout_ms: 300_000 }
    }
}

/// What CE-25 looks at beyond the catalog.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Integrity {
    /// Declared linkages between rows.
    #[serde(rename = "linkage")]
    pub linkages: Vec<Linkage>,
    /// Columns that no two rows share, where no constraint says so.
    #[serde(rename = "unique")]
    pub uniques: Vec<Unique>,
    /// The values that columns may have, where no constraint says so.
    pub values: Vec<Values>,
    /// Why there is no linkage to examine, where none is declared.
    pub no_linkage: Option<String>,
    /// Tables that may lose or gain rows during the migration: `table = "reason"`.
    pub may_change: BTreeMap<String, String>,
}

/// Columns of a table that no two rows share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unique {
    /// `schema.table`, names as they are; without a schema `public`.
    pub table: String,
    pub columns: Vec<String>,
}

/// The values that a column may have beside NULL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Values {
    /// `schema.table`, names as they are; without a schema `public`.
    pub table: String,
    pub column: String,
    /// As the column's text.
    pub allowed: Vec<String>,
}

/// A linkage: a query that returns one row per broken link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Linkage {
    /// Shown as the subject.
    pub name: String,
    /// Counts the links examined: one bigint.
    pub examined: String,
    /// Counts the broken links: one bigint.
    pub broken: String,
}

/// How CE-26 measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Performance {
    /// Folder of `.sql` files, one query each, relative to the project.
    pub workload: Option<PathBuf>,
    /// Slower than this is a regression.
    pub limit_percent: f64,
    /// Wall time for measuring; what is not settled by then is inconclusive.
    pub budget_seconds: u64,
    /// The role queries run as.
    pub role: Option<String>,
    /// Settings of that session, such as `app.tenant_id`.
    pub settings: BTreeMap<String, String>,
}

impl Default for Performance {
    fn default() -> Self {
        Self { workload: None, limit_percent: 10.0, budget_seconds: 120, role: None, settings: BTreeMap::new() }
    }
}

/// How far back CE-27 goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Rollback {
    /// The version the database is at after rolling back. Absent: the version before the deployed batch.
    pub target_version: Option<String>,
}

/// The team's own checks, in the same file form as ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct UserChecks {
    /// Relative to the project.
    pub folders: Vec<PathBuf>,
    /// Why the team has no isolation tests, where neither a folder nor a suite of the task holds any.
    pub no_isolation_tests: Option<String>,
    /// Wall time for breaking policies on a scratch copy to see whether the probe, the checks and these tests notice. 0: not done.
    pub mutation_seconds: u64,
}

impl Default for UserChecks {
    fn default() -> Self {
        Self { folders: Vec::new(), no_isolation_tests: None, mutation_seconds: 20 }
    }
}

/// Who must approve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// How many distinct principals must sign off; at least one always.
    pub sign_offs: u32,
    /// Evidence older than this at the decision is EXPIRED. 0: no limit.
    pub evidence_max_age_hours: u64,
    /// A decision older than this is EXPIRED. 0: no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub decision_max_age_hours: u64,
    /// Roles (`task`, `checkpoint`, `attestation`, `waiver`, `redaction`) and how many principals must have signed under each for the run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub required: BTreeMap<String, u32>,
    /// Roles whose signers cannot approve, besides those that never can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apart_from: Vec<String>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}
