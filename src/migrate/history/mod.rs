//! What a database has: the layout's own history table, read in absence too, and written as the layout's own tool writes it.
//!
//! Plain folders have `ledger.schema_history`. All other layouts have their tool's table, so that what either of the two applied is
//! applied for both; one file per layout here knows it. A database without it is at the configured baseline, or at an unknown version.

mod atlas;
mod command;
mod dbmate;
mod diesel;
mod drizzle;
mod flyway;
mod golang;
mod goose;
mod graphile;
mod hasura;
mod liquibase;
mod named;
mod plain;
mod prisma;
mod refinery;
mod sqitch;
mod sqlx;
mod supabase;

pub use command::{names as command_names, table as command_table, understands as command_understood};
pub use supabase::digest as statements_digest;

use crate::pg::{PgError, Session};

use super::layout::{Layout, Migration, MigrationSet, compare, same, version::is_numbered};

/// The layouts whose history is read and never written; see [`Layout::read_only`].
macro_rules! read_only {
    () => {
        Layout::Flyway
            | Layout::GolangMigrate
            | Layout::Goose
            | Layout::Prisma
            | Layout::Drizzle
            | Layout::Hasura
            | Layout::Atlas
            | Layout::Command
    };
}

/// Stands where a layout's history does not say who, or when.
const NOT_RECORDED: &str = "not recorded";

/// One applied migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    pub version: String,
    pub name: String,
    /// Of the bytes that were run; `None` where a baseline was taken on trust, or the layout's history keeps none.
    pub up_sha256: Option<String>,
    pub down_sha256: Option<String>,
    pub verify_sha256: Option<String>,
    /// In the form of the layout's own tool, to be compared with [`Migration::checksum`].
    pub checksum: Option<String>,
    /// RFC 3339 UTC, or that it is not recorded.
    pub applied_at: String,
    /// The run that applied it; `baseline` for what was there before.
    pub run: String,
    pub execution_us: i64,
}

impl HistoryRow {
    /// A row of a history that says no more than this.
    fn bare(version: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            name: name.into(),
            up_sha256: None,
            down_sha256: None,
            verify_sha256: None,
            checksum: None,
            applied_at: NOT_RECORDED.into(),
            run: NOT_RECORDED.into(),
            execution_us: 0,
        }
    }

    /// The same row, applied then (RFC 3339).
    fn at(self, applied_at: Option<String>) -> Self {
        Self { applied_at: applied_at.unwrap_or_else(|| NOT_RECORDED.into()), ..self }
    }
}

/// What is known of a database's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Its history says so; in numeric order, perhaps empty.
    History(Vec<HistoryRow>),
    /// There is no history; the configuration says where it stands.
    Baseline(String),
    /// Neither.
    Unknown,
}

impl SchemaState {
    /// The highest applied version.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::History(rows) => {
                let numbered = rows.iter().rev().find(|row| is_numbered(&row.version));
                numbered.or(rows.last()).map(|row| row.version.as_str())
            }
            Self::Baseline(version) => Some(version),
            Self::Unknown => None,
        }
    }

    /// Whether this version is applied. A baseline stands for everything up to it.
    pub fn has(&self, version: &str) -> bool {
        match self {
            Self::History(rows) => rows.iter().any(|row| same(&row.version, version)),
            Self::Baseline(baseline) => stands_for(baseline, version),
            Self::Unknown => false,
        }
    }
}

/// Before every migration: the baseline of a database that has none applied, and the way back to there. Some tools number from `000`,
/// which is a version and comes after it.
pub const NOTHING: &str = "0";

/// Whether a baseline says that this version is applied.
fn stands_for(baseline: &str, version: &str) -> bool {
    baseline != NOTHING && compare(version, baseline).is_le()
}

/// Reads the history; without one, falls back to the baseline. An empty history counts as none where a baseline is given.
pub async fn schema_state(session: &Session, set: &MigrationSet, baseline: Option<&str>) -> Result<SchemaState, PgError> {
    Ok(match (rows(session, set).await?, baseline) {
        (Some(rows), _) if !rows.is_empty() => SchemaState::History(rows),
        (_, Some(baseline)) => SchemaState::Baseline(baseline.to_owned()),
        (Some(rows), None) => SchemaState::History(rows),
        (None, None) => SchemaState::Unknown,
    })
}

/// The highest applied version, from history or baseline.
pub async fn schema_version(session: &Session, set: &MigrationSet, baseline: Option<&str>) -> Result<Option<String>, PgError> {
    Ok(schema_state(session, set, baseline).await?.version().map(str::to_owned))
}

/// The rows of the layout's history, in the order of versions; `None`: there is no history table.
async fn rows(session: &Session, set: &MigrationSet) -> Result<Option<Vec<HistoryRow>>, PgError> {
    if set.layout == Layout::Command {
        return command::rows(session, set).await;
    }
    let exists = session.one("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[&set.history()]).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(None);
    }
    let mut rows = match set.layout {
        Layout::Plain => plain::rows(session, set).await,
        Layout::Supabase => supabase::rows(session, set).await,
        Layout::Flyway => flyway::rows(session, set).await,
        Layout::GolangMigrate => golang::rows(session, set).await,
        Layout::Goose => goose::rows(session, set).await,
        Layout::Dbmate => dbmate::rows(session, set).await,
        Layout::Sqlx => sqlx::rows(session, set).await,
        Layout::Diesel => diesel::rows(session, set).await,
        Layout::Refinery => refinery::rows(session, set).await,
        Layout::Sqitch => sqitch::rows(session, set).await,
        Layout::Liquibase => liquibase::rows(session, set).await,
        Layout::GraphileMigrate => graphile::rows(session, set).await,
        Layout::NodePgMigrate | Layout::SqlMigrate | Layout::Yoyo => named::rows(session, set).await,
        Layout::Prisma => prisma::rows(session, set).await,
        Layout::Drizzle => drizzle::rows(session, set).await,
        Layout::Hasura => hasura::rows(session, set).await,
        Layout::Atlas => atlas::rows(session, set).await,
        Layout::Command => Ok(Vec::new()),
    }?;
    rows.sort_by(|a, b| compare(&a.version, &b.version));
    Ok(Some(rows))
}

/// Makes the history table if there is none; for everything up to the baseline it writes rows, with the digests of today's files
/// where the layout keeps any, so that later changes to them are seen. Of layouts that are only read it makes nothing.
pub async fn ensure(session: &Session, set: &MigrationSet, baseline: Option<&str>) -> Result<(), PgError> {
    if set.layout.read_only().is_some() || set.layout == Layout::Command {
        return Ok(());
    }
    // Without this test a role that may not create schemas could not even repeat a run.
    let there = rows(session, set).await?;
    let mut sql = String::from("BEGIN READ WRITE;");
    if there.is_none() {
        sql.push_str(&create(set));
        sql.push(';');
    }
    if let Some(baseline) = baseline {
        let known = |version: &str| there.iter().flatten().any(|row| same(&row.version, version));
        for migration in set.migrations.iter().filter(|m| stands_for(baseline, &m.version) && !known(&m.version)) {
            if let Some(insert) = insert(migration, "baseline", "0") {
                sql.push_str(&insert);
                sql.push(';');
            }
        }
    }
    sql.push_str("COMMIT");
    match session.batch(&sql).await {
        Ok(()) => Ok(()),
        Err(error) => {
            // The session is to be usable by whoever handles the error; if it is gone, that error is the one to tell.
            let _ = session.batch("ROLLBACK").await;
            Err(error)
        }
    }
}

/// The statements that make the history table as the layout's own tool makes it.
fn create(set: &MigrationSet) -> String {
    let table = set.history();
    match set.layout {
        Layout::Plain => plain::CREATE.to_owned(),
        Layout::Supabase => supabase::CREATE.to_owned(),
        Layout::Dbmate => dbmate::create(table),
        Layout::Sqlx => sqlx::create(table),
        Layout::Diesel => diesel::create(table),
        Layout::Refinery => refinery::create(set),
        Layout::Sqitch => sqitch::create(set),
        Layout::Liquibase => liquibase::create(table),
        Layout::GraphileMigrate => graphile::CREATE.to_owned(),
        Layout::NodePgMigrate | Layout::SqlMigrate | Layout::Yoyo => named::create(set),
        read_only!() => String::new(),
    }
}

/// The statements that record a migration, for the transaction of its file. `execution_us` is an SQL expression. `None`: the layout's
/// history is not written.
pub fn insert(migration: &Migration, run: &str, execution_us: &str) -> Option<String> {
    Some(match migration.layout {
        Layout::Plain => plain::insert(migration, run, execution_us),
        Layout::Supabase => supabase::insert(migration),
        Layout::Dbmate => dbmate::insert(migration),
        Layout::Sqlx => sqlx::insert(migration, execution_us),
        Layout::Diesel => diesel::insert(migration),
        Layout::Refinery => refinery::insert(migration),
        Layout::Sqitch => sqitch::insert(migration),
        Layout::Liquibase => liquibase::insert(migration),
        Layout::GraphileMigrate => graphile::insert(migration),
        Layout::NodePgMigrate | Layout::SqlMigrate | Layout::Yoyo => named::insert(migration),
        read_only!() => return None,
    })
}

/// The statements that take a migration out of the history. `None`: the layout's history is not written.
pub fn delete(migration: &Migration) -> Option<String> {
    let Migration { history, version, .. } = migration;
    Some(match migration.layout {
        Layout::Plain => format!("DELETE FROM ledger.schema_history WHERE version = {}", literal(version)),
        Layout::Supabase | Layout::Dbmate | Layout::Diesel => format!("DELETE FROM {history} WHERE version = {}", literal(version)),
        Layout::Sqlx | Layout::Refinery => format!("DELETE FROM {history} WHERE version = {}", number(version)),
        Layout::Sqitch => sqitch::delete(migration),
        Layout::Liquibase => liquibase::delete(migration),
        Layout::GraphileMigrate => graphile::delete(migration),
        Layout::NodePgMigrate | Layout::SqlMigrate | Layout::Yoyo => named::delete(migration),
        read_only!() => return None,
    })
}

/// A string literal that means the same whatever `standard_conforming_strings` a migration may have left behind.
pub(in crate::migrate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

/// A version as a number; readers let only digits through.
fn number(version: &str) -> &str {
    match version.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    }
}

/// The expression for a timestamp column as RFC 3339 text in UTC.
fn utc(column: &str) -> String {
    format!("pg_catalog.to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
}

/// The name of the set's migration of this version; the version itself where the folder has none.
fn name_of<'a>(set: &'a MigrationSet, version: &'a str) -> &'a str {
    set.migrations.iter().find(|m| same(&m.version, version)).map_or("", |m| m.name.as_str())
}

/// The version as the folder spells it (`7` as `007`).
fn spelled(set: &MigrationSet, version: String) -> String {
    set.migrations.iter().find(|m| same(&m.version, &version)).map_or(version, |m| m.version.clone())
}
