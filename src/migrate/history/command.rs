//! Histories of tools that ledger runs and does not read the files of: a query of two columns, version and name.

use super::HistoryRow;
use crate::migrate::layout::MigrationSet;
use crate::pg::{PgError, Session};

/// Known tools, the table of each, and what to ask of it. Each query gives version and name, as text.
const KNOWN: [(&str, &str, &str); 12] = [
    ("alembic", "public.alembic_version", "SELECT version_num::text, ''::text FROM public.alembic_version"),
    (
        "django",
        "public.django_migrations",
        "SELECT pg_catalog.concat(app, '.', name), name::text FROM public.django_migrations ORDER BY id",
    ),
    ("rails", "public.schema_migrations", "SELECT version::text, ''::text FROM public.schema_migrations"),
    ("ecto", "public.schema_migrations", "SELECT version::text, ''::text FROM public.schema_migrations"),
    (
        "prisma",
        "public._prisma_migrations",
        "SELECT migration_name::text, migration_name::text FROM public._prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL",
    ),
    ("knex", "public.knex_migrations", "SELECT name::text, name::text FROM public.knex_migrations"),
    ("typeorm", "public.migrations", "SELECT \"timestamp\"::text, name::text FROM public.migrations"),
    ("sequelize", "public.\"SequelizeMeta\"", "SELECT name::text, name::text FROM public.\"SequelizeMeta\""),
    ("drizzle", "drizzle.__drizzle_migrations", "SELECT created_at::text, hash::text FROM drizzle.__drizzle_migrations"),
    ("laravel", "public.migrations", "SELECT migration::text, migration::text FROM public.migrations"),
    ("ef", "public.\"__EFMigrationsHistory\"", "SELECT \"MigrationId\"::text, \"MigrationId\"::text FROM public.\"__EFMigrationsHistory\""),
    (
        "flyway",
        "public.flyway_schema_history",
        "SELECT COALESCE(version, pg_catalog.concat('R__', description))::text, description::text FROM public.flyway_schema_history WHERE success",
    ),
];

/// The names of the known tools.
pub fn names() -> String {
    KNOWN.map(|(name, _, _)| name).join(", ")
}

/// Whether this is a known tool, or a query.
pub fn understands(history: &str) -> bool {
    KNOWN.iter().any(|(name, _, _)| *name == history)
        || history.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

/// The table that the history is kept in, unquoted; of a query, what stands after its first FROM.
pub fn table(history: &str) -> Option<String> {
    let table = match KNOWN.iter().find(|(name, _, _)| *name == history) {
        Some((_, table, _)) => (*table).to_owned(),
        None => {
            let mut words = history.split_whitespace();
            words.find(|word| word.eq_ignore_ascii_case("from"))?;
            words.next()?.trim_end_matches(';').to_owned()
        }
    };
    Some(table.replace('"', ""))
}

/// What the tool's history holds; `None`: there is none yet.
pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Option<Vec<HistoryRow>>, PgError> {
    let asked = set.asked_history.as_deref().unwrap_or_default();
    let sql = match KNOWN.iter().find(|(name, _, _)| *name == asked) {
        Some((_, table, sql)) => {
            if !session.one("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[table]).await?.get::<_, bool>(0) {
                return Ok(None);
            }
            (*sql).to_owned()
        }
        None => format!("SELECT asked.version::text, asked.name::text FROM ({asked}) AS asked (version, name)"),
    };
    let rows = match session.query(&sql, &[]).await {
        Ok(rows) => rows,
        // The tool makes its table when it first runs.
        Err(error) if error.is("42P01") => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = |row: &tokio_postgres::Row, column| row.get::<_, Option<String>>(column).unwrap_or_default();
    Ok(Some(rows.iter().map(|row| HistoryRow::bare(text(row, 0), text(row, 1))).collect()))
}
