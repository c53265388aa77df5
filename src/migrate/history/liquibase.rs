//! Liquibase: `databasechangelog`, a row per change set. Rows of ours have no checksum: Liquibase takes that for "not known yet" and puts
//! its own there when it next runs (Liquibase, "DATABASECHANGELOG table").

use super::{HistoryRow, literal};
use crate::migrate::layout::{Key, Migration, MigrationSet};
use crate::pg::{PgError, Session};

pub fn create(table: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (id varchar(255) NOT NULL, author varchar(255) NOT NULL, filename varchar(255) NOT NULL, \
         dateexecuted timestamp NOT NULL, orderexecuted integer NOT NULL, exectype varchar(10) NOT NULL, md5sum varchar(35), \
         description varchar(255), comments varchar(255), tag varchar(255), liquibase varchar(20), contexts varchar(255), \
         labels varchar(255), deployment_id varchar(10))"
    )
}

/// The paths under which a change log is called and lies here may differ in how they begin.
fn same_file(recorded: &str, here: &str) -> bool {
    let plain = |path: &str| path.trim_start_matches("classpath:").trim_start_matches("./").trim_start_matches('/').to_owned();
    let (recorded, here) = (plain(recorded), plain(here));
    recorded == here || recorded.ends_with(&format!("/{here}")) || here.ends_with(&format!("/{recorded}"))
}

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let sql = format!(
        "SELECT id::text, author::text, filename::text, pg_catalog.to_char(dateexecuted, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')
         FROM {} ORDER BY orderexecuted",
        set.history()
    );
    let rows = session.query(&sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let (id, author, filename): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            let is = |m: &&Migration| matches!(&m.key, Key::ChangeSet { id: i, author: a, file } if *i == id && *a == author && same_file(&filename, file));
            match set.migrations.iter().find(is) {
                Some(migration) => HistoryRow::bare(&*migration.version, &*migration.name),
                None => HistoryRow::bare(format!("unknown {author}:{id} in {filename}"), format!("{author}:{id}")),
            }
            .at(row.get(3))
        })
        .collect())
}

/// The path is written as other rows of the same file have it, where there are any.
pub fn insert(migration: &Migration) -> String {
    let Key::ChangeSet { id, author, file } = &migration.key else { return String::new() };
    let table = &migration.history;
    format!(
        "INSERT INTO {table} (id, author, filename, dateexecuted, orderexecuted, exectype, md5sum, description, comments, liquibase, deployment_id) \
         SELECT {id}, {author}, COALESCE((SELECT known.filename FROM {table} AS known WHERE known.filename = {file} OR \
         pg_catalog.right(known.filename, pg_catalog.length({file}) OPERATOR(pg_catalog.+) 1) = pg_catalog.concat('/', {file}::pg_catalog.text) LIMIT 1), {file}), \
         pg_catalog.now()::pg_catalog.timestamp, COALESCE((SELECT pg_catalog.max(orderexecuted) FROM {table}), 0) OPERATOR(pg_catalog.+) 1, 'EXECUTED', NULL, 'sql', '', 'ledger', \
         pg_catalog.right(pg_catalog.to_char(pg_catalog.date_part('epoch', pg_catalog.now()), 'FM0000000000'), 10)",
        id = literal(id),
        author = literal(author),
        file = literal(file),
    )
}

pub fn delete(migration: &Migration) -> String {
    let Key::ChangeSet { id, author, file } = &migration.key else { return String::new() };
    format!(
        "DELETE FROM {} WHERE id = {} AND author = {} AND (filename = {file} OR \
         pg_catalog.right(filename, pg_catalog.length({file}) OPERATOR(pg_catalog.+) 1) = pg_catalog.concat('/', {file}::pg_catalog.text))",
        migration.history,
        literal(id),
        literal(author),
        file = literal(file)
    )
}
