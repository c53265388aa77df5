//! What deleting a parent really does, tried in a scratch copy in transactions that are rolled back.

use super::inventory::{Key, action};
use crate::domain::SubjectRow;
use crate::pg::{Access, PgError, Session, Target};
use crate::steps::paper::counted;

/// Tries every key once. The copy is as it was afterwards.
pub async fn try_all(copy: &Target, keys: &[Key], say: impl Fn(&str)) -> Result<Vec<SubjectRow>, PgError> {
    let session = copy.session(Access::ReadWrite).await?;
    session.batch("SET search_path = ''; SET row_security = off").await?;
    let mut rows = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        say(&format!("deleting a parent {}/{} · {}", index + 1, keys.len(), key.subject()));
        session.batch("BEGIN READ WRITE").await?;
        let row = try_one(&session, keys, index).await;
        session.batch("ROLLBACK").await?;
        rows.push(match row {
            Ok(row) => row,
            Err(error) if error.disconnected => return Err(error),
            Err(error) => SubjectRow::undecided(key.subject(), expected(key), error.message),
        });
    }
    Ok(rows)
}

fn expected(key: &Key) -> &'static str {
    match key.on_delete.as_str() {
        "c" => "the children are deleted",
        "n" | "d" => "the children are changed",
        _ => "refused",
    }
}

async fn try_one(session: &Session, keys: &[Key], index: usize) -> Result<SubjectRow, PgError> {
    let key = &keys[index];
    if key.temporal {
        return Ok(SubjectRow::undecided(key.subject(), expected(key), "a temporal key (PERIOD) is not tried"));
    }
    if key.triggers_disabled > 0 {
        let why = format!("{} of its triggers do not fire in the target, which a restored copy does not repeat", key.triggers_disabled);
        return Ok(SubjectRow::undecided(key.subject(), expected(key), why));
    }
    // Of a key to itself: a parent that is not its own child.
    let other = if key.child_oid == key.parent_oid { " WHERE (p.tableoid, p.ctid) <> (c.tableoid, c.ctid)" } else { "" };
    let parent = format!(
        "SELECT p.tableoid::bigint, p.ctid::text FROM {} AS p JOIN {} AS c ON {}{other} LIMIT 1",
        key.parent_rows_of(),
        key.child_rows_of(),
        key.matches("p", "c")
    );
    let Some(row) = session.query(&parent, &[]).await?.into_iter().next() else {
        return Ok(SubjectRow::undecided(key.subject(), expected(key), "no parent with a child to try it on"));
    };
    let (table, place): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    let this = format!("p.tableoid::bigint = {table} AND p.ctid = '{place}'::pg_catalog.tid");
    let children = format!(
        "SELECT pg_catalog.count(*) FROM {} AS c JOIN {} AS p ON {} WHERE {this}",
        key.child_rows_of(),
        key.parent_rows_of(),
        key.matches("p", "c")
    );
    let children: i64 = session.one(&children, &[]).await?.try_get(0)?;

    // Only this key's own doing counts. Another key to the same parent may be the reason for a refusal, a trigger of the users' for anything.
    for (_, foreign) in keys
        .iter()
        .enumerate()
        .filter(|(i, other)| *i != index && (other.parent_oid == key.parent_oid || other.parent_oid == key.child_oid))
    {
        let name = super::tenancy::quoted(&foreign.name);
        session.batch(&format!("ALTER TABLE {} DROP CONSTRAINT {name}", foreign.child_rows_of())).await?;
    }
    for table in [&key.child, &key.parent] {
        session.batch(&format!("ALTER TABLE {table} DISABLE TRIGGER USER")).await?;
    }
    let (deleted, changed) = done_to(session, &key.child).await?;
    session.batch("SAVEPOINT deletion").await?;
    let sql = format!("DELETE FROM {} AS p WHERE {this}; SET CONSTRAINTS ALL IMMEDIATE", key.parent_rows_of());
    let refused = match session.batch(&sql).await {
        Ok(()) => false,
        Err(error) if error.is("23503") || error.is("23001") => {
            session.batch("ROLLBACK TO SAVEPOINT deletion").await?;
            true
        }
        Err(error) => return Err(error),
    };
    let (deleted, changed) = {
        let (after_deleted, after_changed) = done_to(session, &key.child).await?;
        let own = i64::from(key.child_oid == key.parent_oid);
        (after_deleted - deleted - own, after_changed - changed)
    };
    let observed = match (refused, deleted, changed) {
        (true, ..) => "refused".to_owned(),
        (_, deleted, _) if deleted >= children => "the children are deleted".to_owned(),
        (_, _, changed) if changed >= children => "the children are changed".to_owned(),
        _ => format!("the parent goes and {} left", counted(children.unsigned_abs(), "child is", "children are")),
    };
    let wanted = expected(key);
    Ok(SubjectRow::new(key.subject(), observed == wanted, wanted, observed)
        .with_detail(serde_json::json!({ "constraint": key.name, "on_delete": action(&key.on_delete), "children": children })))
}

/// Rows of the table and its partitions (by name: a copy has other oids) that this transaction has deleted and updated so far, by the server's own count.
async fn done_to(session: &Session, table: &str) -> Result<(i64, i64), PgError> {
    let row = session
        .one(
            "SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_deleted(t.oid)), 0)::bigint,
                    COALESCE(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_updated(t.oid)), 0)::bigint
             FROM (SELECT $1::text::pg_catalog.regclass::oid AS oid UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree($1::text::pg_catalog.regclass)) t",
            &[&table],
        )
        .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
