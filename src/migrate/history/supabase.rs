//! Supabase CLI: `supabase_migrations.schema_migrations(version, name, statements)` (Supabase CLI, `pkg/migration/history.go`).
//!
//! `statements` holds what was really run, which nobody compares to the file: we do. Two lists of statements are the same if our
//! splitter cuts them into the same texts, whatever stands between those.

use sha2::{Digest, Sha256};

use super::{HistoryRow, literal, spelled};
use crate::migrate::layout::{Migration, MigrationSet};
use crate::migrate::split::split;
use crate::pg::{PgError, Session};

pub const CREATE: &str = "CREATE SCHEMA IF NOT EXISTS supabase_migrations;
CREATE TABLE IF NOT EXISTS supabase_migrations.schema_migrations (version text NOT NULL PRIMARY KEY, statements text[], name text)";

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    // Histories of old versions of the CLI have the version alone.
    let sql = format!(
        "SELECT m.version, pg_catalog.to_jsonb(m) ->> 'name',
                ARRAY(SELECT pg_catalog.jsonb_array_elements_text(CASE pg_catalog.jsonb_typeof(pg_catalog.to_jsonb(m) -> 'statements')
                      WHEN 'array' THEN pg_catalog.to_jsonb(m) -> 'statements' END))
         FROM {} AS m",
        set.history()
    );
    let rows = session.query(&sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let version = spelled(set, row.get(0));
            let statements: Vec<String> = row.get(2);
            let name = row.get::<_, Option<String>>(1).unwrap_or_else(|| super::name_of(set, &version).to_owned());
            HistoryRow { checksum: (!statements.is_empty()).then(|| digest(&statements.join("\n;\n"))), ..HistoryRow::bare(version, name) }
        })
        .collect())
}

/// Of the statements' texts, without what stands between them.
pub fn digest(text: &str) -> String {
    let mut digest = Sha256::new();
    for statement in split(text).statements {
        digest.update(statement.text);
        digest.update([0]);
    }
    hex::encode(digest.finalize())
}

pub fn insert(migration: &Migration) -> String {
    let text = crate::migrate::split::decode(&migration.up.bytes).unwrap_or_default();
    let statements: Vec<String> = split(text).statements.iter().map(|statement| literal(statement.text)).collect();
    format!(
        "INSERT INTO {} (version, name, statements) VALUES ({}, {}, ARRAY[{}]::pg_catalog.text[])",
        migration.history,
        literal(&migration.version),
        literal(&migration.name),
        statements.join(", "),
    )
}
