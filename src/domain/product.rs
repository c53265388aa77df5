//! What a step hands to later steps and to the report: typed, serialised into its result's `result.json` part, read back on
//! resume and by the report. Times are microseconds, sizes bytes. No tenant data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::locks::{FailedTry, LockTaken, LockWait};

/// One step's product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Product {
    Environment(EnvironmentProduct),
    Scripts(ScriptsProduct),
    Execute(ExecuteProduct),
    RowSecurity(RowSecurityProduct),
    ForeignKeys(ForeignKeysProduct),
    Integrity(IntegrityProduct),
    Performance(PerformanceProduct),
    Rollback(RollbackProduct),
    Command(CommandProduct),
}

/// A table's contents at a moment: exact count and order-independent digest of its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    /// `schema.table`, quoted where PostgreSQL would quote it.
    pub table: String,
    pub rows: u64,
    /// Hex; empty where it was not computed.
    pub digest: String,
}

/// A dump, named by digest, size and contents; never packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFacts {
    /// Relative to the project folder.
    pub file: String,
    pub sha256: String,
    /// SHA-256 over catalog fingerprint and table states: equal for dumps of equal databases, whose own bytes differ (they carry the time).
    /// Empty where it was not computed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub contents_sha256: String,
    pub bytes: u64,
    pub toc_entries: u64,
    /// `pg_dump (PostgreSQL) 15.18 …`
    pub tool: String,
    pub dump_us: i64,
    /// `None`: it was not restored.
    pub restore_us: Option<i64>,
    /// Catalog fingerprint of the source at the dump's snapshot.
    pub catalog: String,
    /// Per-table state of the source at the dump's snapshot.
    pub tables: Vec<TableState>,
}

/// CE-20.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentProduct {
    pub server_version: String,
    pub server_version_num: i32,
    pub database: String,
    pub role: String,
    pub tls: String,
    /// The last applied migration, if a history or a baseline says so.
    pub schema_version: Option<String>,
    pub database_bytes: u64,
    pub tables: u64,
    pub policies: u64,
    pub foreign_keys: u64,
    pub indexes: u64,
    pub backup: Option<BackupFacts>,
}

/// One migration as CE-21 saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationFacts {
    pub version: String,
    pub name: String,
    /// File name relative to the migrations folder.
    pub file: String,
    pub up_sha256: String,
    pub down_sha256: Option<String>,
    pub verify_sha256: Option<String>,
    pub pending: bool,
    pub transactional: bool,
    pub statements: u64,
    /// Time of the first `up` in the scratch copy.
    pub dry_run_us: Option<i64>,
}

/// CE-21.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptsProduct {
    pub layout: String,
    pub migrations: Vec<MigrationFacts>,
    /// Sum of the pending files' dry-run times.
    pub estimate_us: Option<i64>,
    /// The pending files as they first ran in the scratch copy, with their locks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rehearsed: Vec<FileExecution>,
}

/// One statement as CE-22 ran it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementExecution {
    /// 1-based.
    pub number: u64,
    pub line: u64,
    /// The command tag or the statement's first words, never literals.
    pub what: String,
    pub duration_us: i64,
    pub rows: Option<u64>,
    /// In a long file, equal statements that follow each other are told as one: how many. Their times and rows are summed.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub times: u64,
    /// The strongest lock newly taken on each relation that existed before the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<LockTaken>,
    /// Relations that existed before and got a new file: rewritten or emptied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<String>,
    /// Relations made, dropped or renamed: `made public.pages`, `renamed public.a to b`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<String>,
    /// Its locks were sampled from another session: one held for less than the time between two samples may be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sampled: bool,
}

fn one() -> u64 {
    1
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

fn is_one(times: &u64) -> bool {
    *times == 1
}

/// One file as CE-22 ran it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileExecution {
    pub version: String,
    pub name: String,
    pub file: String,
    /// RFC 3339 UTC.
    pub started: String,
    pub duration_us: i64,
    /// How often the file was tried (55P03 and 40P01 are retried).
    pub attempts: u32,
    /// The attempts before the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<FailedTry>,
    pub applied: bool,
    pub statements: Vec<StatementExecution>,
    /// Whether locks were looked at. False: that a statement shows no lock says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub traced: bool,
    /// How many of its first statements an earlier attempt had applied; they were not run again. Only files without a transaction.
    #[serde(default, skip_serializing_if = "is_none")]
    pub resumed: u64,
    /// Who waited for whom meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<LockWait>,
    /// What the file changed in the catalog, one readable line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What went wrong, reduced to file, line, statement and SQLSTATE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// CE-22.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecuteProduct {
    /// Every pending file was applied and its verify script held.
    pub completed: bool,
    pub schema_before: Option<String>,
    pub schema_after: Option<String>,
    pub files: Vec<FileExecution>,
    /// What changed in the catalog, one readable line each.
    pub catalog_changes: Vec<String>,
    pub backup: Option<BackupFacts>,
}

/// What one cell of the isolation matrix came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellVerdict {
    Isolated,
    Leak,
    Denied,
    /// The table has no tenant: its rows are everybody's.
    Shared,
    Undecided,
}

/// Table × command × context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolationCell {
    pub table: String,
    pub command: String,
    pub context: String,
    pub verdict: CellVerdict,
    /// Why, with SQLSTATE and counts.
    pub why: String,
}

/// CE-23.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowSecurityProduct {
    /// The tenant model as found and as overridden.
    pub model: Value,
    pub cells: Vec<IsolationCell>,
    /// Tables whose every cell is isolated or denied, with their positive controls.
    pub isolated: Vec<String>,
    pub leaking: Vec<String>,
    pub undecided: Vec<String>,
    /// Tables with row security whose rows belong to no tenant: the same for every session. Not in `total`.
    #[serde(default)]
    pub shared: Vec<String>,
    pub total: u64,
    pub suites: Vec<SuiteResult>,
    /// `None`: no policy was broken to see who notices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutation: Option<Mutation>,
}

/// Policies broken one at a time on a scratch copy, and who noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mutation {
    /// Ways to break a policy or a table.
    pub total: u64,
    /// Of them tried within the time.
    pub tried: u64,
    /// By the probe or by a catalog check.
    pub noticed: u64,
    pub by_probe: u64,
    pub by_checks: u64,
    /// Not noticed, and cannot matter.
    pub explained: u64,
    /// Whether the team has check files of its own; then how many were tried against them, and noticed by them.
    pub has_tests: bool,
    pub tested: u64,
    pub by_tests: u64,
    pub survivors: Vec<Survivor>,
}

/// A broken policy that neither probe nor check noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    pub table: String,
    /// `alerts_select: USING (true)`
    pub mutant: String,
    pub why: String,
    /// `why` says that it cannot matter.
    pub explained: bool,
}

/// One foreign key of CE-24's inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKeyFacts {
    pub name: String,
    pub child: String,
    pub child_columns: Vec<String>,
    pub parent: String,
    pub parent_columns: Vec<String>,
    pub on_delete: String,
    pub validated: bool,
    pub indexed: bool,
    /// `None`: not counted, see the check.
    pub orphans: Option<u64>,
}

/// CE-24.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKeysProduct {
    pub keys: Vec<ForeignKeyFacts>,
    pub expected: u64,
    pub missing: Vec<String>,
}

/// Rows of a table before and after the migrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowDelta {
    pub table: String,
    pub before: Option<u64>,
    pub after: Option<u64>,
}

/// A counted test suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteResult {
    pub name: String,
    pub total: u64,
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

/// A declared suite that `ledger exec` ran and recorded: the part `suite.json` of its note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotedSuite {
    /// The suite as judged: its name, and whether it passed.
    pub row: super::SubjectRow,
    /// `None`: nothing could be counted.
    pub result: Option<SuiteResult>,
}

/// CE-25.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrityProduct {
    pub tables: Vec<RowDelta>,
    pub suites: Vec<SuiteResult>,
}

/// What one query of the workload came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryComparison {
    pub name: String,
    pub sha256: String,
    /// Medians, microseconds per execution.
    pub before_us: f64,
    pub after_us: f64,
    /// after / before, with its 95 % bootstrap interval.
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
    /// `improved`, `same-work`, `within-limit`, `regressed`, `inconclusive`.
    pub verdict: String,
    pub why: String,
    pub blocks: u64,
}

/// CE-26.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerformanceProduct {
    pub limit_percent: f64,
    pub queries: Vec<QueryComparison>,
    pub geometric_mean: Option<f64>,
    /// The interval of the A/A control: two separately made copies of the same backup.
    pub control_low: f64,
    pub control_high: f64,
    /// Index name → scans during the workload on the migrated copy.
    pub index_scans: BTreeMap<String, u64>,
}

/// One down script as CE-27 ran it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackStep {
    pub version: String,
    pub name: String,
    /// The down script, relative to the migrations folder; `None`: there is none.
    pub file: Option<String>,
    pub duration_us: Option<i64>,
}

/// CE-27.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackProduct {
    pub from_version: String,
    pub target_version: String,
    pub steps: Vec<RollbackStep>,
    pub down_us: Option<i64>,
    pub up_again_us: Option<i64>,
    /// Catalog and data differences that should not be there.
    pub differences: Vec<String>,
    /// The measured way back by restoring the pre-migration backup.
    pub restore_us: Option<i64>,
    /// Versions without a way back but the backup.
    pub no_way_back: Vec<String>,
}

/// A task that runs a command of the team's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandProduct {
    pub program: String,
    pub exit_code: Option<i32>,
    pub duration_us: i64,
    pub suites: Vec<SuiteResult>,
}
