//! drizzle: `drizzle.__drizzle_migrations(id, hash, created_at)`, read and never written. Its latest `created_at` decides: what the journal
//! dates later is pending (drizzle-orm, `pg-core/dialect.ts`).

use super::HistoryRow;
use crate::migrate::layout::{Key, MigrationSet};
use crate::pg::{PgError, Session};

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let sql = format!("SELECT created_at::text, hash::text FROM {} ORDER BY created_at", set.history());
    let rows = session.query(&sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let when: String = row.get::<_, Option<String>>(0).unwrap_or_default();
            let known = set.migrations.iter().find(|m| matches!(&m.key, Key::Name(key) if *key == when));
            let bare = match known {
                Some(migration) => HistoryRow::bare(&*migration.version, &*migration.name),
                None => HistoryRow::bare(format!("unknown {when}"), when),
            };
            HistoryRow { checksum: row.get(1), ..bare }
        })
        .collect())
}
