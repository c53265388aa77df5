//! Histories that know a migration by its name: sql-migrate's `gorp_migrations(id, applied_at)`, node-pg-migrate's
//! `pgmigrations(id, name, run_on)`, yoyo's `_yoyo_migration` with its log.

use sha2::{Digest, Sha256};

use super::{HistoryRow, literal};
use crate::migrate::layout::{Key, Layout, Migration, MigrationSet};
use crate::pg::{PgError, Session};

pub fn create(set: &MigrationSet) -> String {
    let table = set.history();
    match set.layout {
        Layout::SqlMigrate => format!("CREATE TABLE IF NOT EXISTS {table} (id text NOT NULL PRIMARY KEY, applied_at timestamptz)"),
        Layout::NodePgMigrate => {
            format!("CREATE TABLE IF NOT EXISTS {table} (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)")
        }
        // yoyo's own tables, in its second form; it makes its lock table itself.
        _ => {
            let [log, version] = ["_yoyo_log", "_yoyo_version"].map(|name| beside(table, name));
            format!(
                "CREATE TABLE IF NOT EXISTS {table} (migration_hash varchar(64) PRIMARY KEY, migration_id varchar(255), applied_at_utc timestamp); \
                 CREATE TABLE IF NOT EXISTS {log} (id varchar(36) PRIMARY KEY, migration_hash varchar(64), migration_id varchar(255), \
                 operation varchar(10), username varchar(255), hostname varchar(255), comment varchar(255), created_at_utc timestamp); \
                 CREATE TABLE IF NOT EXISTS {version} (version int NOT NULL PRIMARY KEY, installed_at_utc timestamp); \
                 INSERT INTO {version} VALUES (2, pg_catalog.now() AT TIME ZONE 'UTC') ON CONFLICT DO NOTHING"
            )
        }
    }
}

/// Another table in the schema of this one.
fn beside(table: &str, name: &str) -> String {
    let schema = table.rsplit_once('.').map_or("public", |(schema, _)| schema);
    format!("{schema}.{name}")
}

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let (name, at) = match set.layout {
        Layout::SqlMigrate => ("id", "applied_at AT TIME ZONE 'UTC'"),
        Layout::NodePgMigrate => ("name", "run_on"),
        _ => ("migration_id", "applied_at_utc"),
    };
    let sql = format!("SELECT {name}::text, pg_catalog.to_char({at}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') FROM {}", set.history());
    let rows = session.query(&sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let name: String = row.get(0);
            let known = set.migrations.iter().find(|m| matches!(&m.key, Key::Name(key) if *key == name));
            match known {
                Some(migration) => HistoryRow::bare(&*migration.version, &*migration.name),
                // What the folder does not have has no version either.
                None => HistoryRow::bare(format!("unknown {name}"), name),
            }
            .at(row.get(1))
        })
        .collect())
}

fn key(migration: &Migration) -> &str {
    match &migration.key {
        Key::Name(name) => name,
        _ => &migration.version,
    }
}

pub fn insert(migration: &Migration) -> String {
    let (table, name) = (&migration.history, literal(key(migration)));
    match migration.layout {
        Layout::SqlMigrate => format!("INSERT INTO {table} (id, applied_at) VALUES ({name}, pg_catalog.clock_timestamp())"),
        // The order of a history is that of its times, to the microsecond.
        Layout::NodePgMigrate => {
            format!("INSERT INTO {table} (name, run_on) VALUES ({name}, pg_catalog.clock_timestamp()::pg_catalog.timestamp)")
        }
        _ => format!(
            "INSERT INTO {table} (migration_hash, migration_id, applied_at_utc) VALUES ({}, {name}, \
             pg_catalog.clock_timestamp() AT TIME ZONE 'UTC'); {}",
            yoyo_hash(migration),
            yoyo_log(migration, "apply")
        ),
    }
}

pub fn delete(migration: &Migration) -> String {
    let (table, name) = (&migration.history, literal(key(migration)));
    match migration.layout {
        Layout::SqlMigrate => format!("DELETE FROM {table} WHERE id = {name}"),
        Layout::NodePgMigrate => format!("DELETE FROM {table} WHERE name = {name}"),
        _ => format!("DELETE FROM {table} WHERE migration_hash = {}; {}", yoyo_hash(migration), yoyo_log(migration, "rollback")),
    }
}

fn yoyo_hash(migration: &Migration) -> String {
    literal(&hex::encode(Sha256::digest(key(migration))))
}

fn yoyo_log(migration: &Migration, operation: &str) -> String {
    format!(
        "INSERT INTO {} (id, migration_hash, migration_id, operation, username, hostname, created_at_utc) VALUES \
         (pg_catalog.gen_random_uuid()::pg_catalog.text, {}, {}, '{operation}', SESSION_USER, 'ledger', \
         pg_catalog.clock_timestamp() AT TIME ZONE 'UTC')",
        beside(&migration.history, "_yoyo_log"),
        yoyo_hash(migration),
        literal(key(migration)),
    )
}
