//! Hasura: the CLI's state in `hdb_catalog.hdb_version.cli_state`, `{"migrations": {"<database>": {"<version>": <dirty>}}}`, read and never
//! written (Hasura CLI, `cli/internal/statestore`). It lies in the database of Hasura's own metadata; Hasura Cloud keeps it elsewhere.

use super::{HistoryRow, name_of, spelled};
use crate::migrate::layout::MigrationSet;
use crate::pg::{PgError, Session};

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let database = set.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let sql = format!(
        "SELECT state.key, state.value OPERATOR(pg_catalog.=) 'true'::pg_catalog.jsonb
         FROM {} AS v, pg_catalog.jsonb_each(v.cli_state -> 'migrations' -> $1::pg_catalog.text) AS state
         WHERE pg_catalog.jsonb_typeof(v.cli_state -> 'migrations' -> $1::pg_catalog.text) OPERATOR(pg_catalog.=) 'object'",
        set.history()
    );
    let rows = session.query(&sql, &[&database]).await?;
    rows.iter()
        .map(|row| {
            let version: String = row.get(0);
            match row.get::<_, bool>(1) {
                true => Err(PgError::other(format!(
                    "Hasura's history says that version {version} is dirty: it failed half-way. Mend the database, then apply it again"
                ))),
                false => {
                    let version = spelled(set, version);
                    Ok(HistoryRow::bare(version.clone(), name_of(set, &version)))
                }
            }
        })
        .collect()
}
