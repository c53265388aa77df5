//! Prisma: `_prisma_migrations`, read and never written; a migration is its folder's name (Prisma, "Migration histories").

use super::{HistoryRow, utc};
use crate::migrate::layout::{Key, MigrationSet};
use crate::pg::{PgError, Session};

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let sql = format!(
        "SELECT migration_name::text, checksum::text, {}, finished_at IS NOT NULL FROM {} WHERE rolled_back_at IS NULL ORDER BY started_at",
        utc("COALESCE(finished_at, started_at)"),
        set.history()
    );
    let rows = session.query(&sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let folder: String = row.get(0);
            if !row.get::<_, bool>(3) {
                return Err(PgError::other(format!(
                    "Prisma's history says that {folder} failed half-way. Mend the database, then `prisma migrate resolve`"
                )));
            }
            let known = set.migrations.iter().find(|m| matches!(&m.key, Key::Name(name) if *name == folder));
            let digits = folder.bytes().take_while(u8::is_ascii_digit).count();
            let (version, name) = match (known, digits) {
                (Some(migration), _) => (migration.version.clone(), migration.name.clone()),
                (None, 0) => (folder.clone(), folder.clone()),
                (None, _) => (folder[..digits].to_owned(), folder[digits..].trim_start_matches('_').to_owned()),
            };
            Ok(HistoryRow { checksum: row.get(1), ..HistoryRow::bare(version, name).at(row.get(2)) })
        })
        .collect()
}
