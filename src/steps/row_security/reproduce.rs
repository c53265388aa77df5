//! A script for psql that shows a leak again, anywhere the migrated schema stands, and leaves nothing behind.
//!
//! 1. The session is a tenant without any rows (or says nothing about its tenant, where that is the leak), so that every row it reaches is
//!    somebody else's. Values are made up or taken from the rows by the script itself: none is recorded.
//! 2. One transaction, rolled back; triggers and foreign keys stay out of it.
//! 3. Where only a member of a tenant can show it, the script brings two tenants along (`worlds`), and needs a superuser.
//! 4. A script is kept only if it shows the leak in the scratch copy.

mod worlds;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio_postgres::SimpleQueryMessage;

use self::worlds::Emptied;
use super::context::Context;
use super::matrix::{CELL_TIMEOUT_MS, Cell};
use super::model::{Meaning, Scope};
use super::mutate::Grounds;
use super::seed::{client_path, identifier};
use super::shape::{Column, Table};
use super::value::literal;
use crate::domain::Evidence;
use crate::domain::product::CellVerdict;
use crate::pg::{Access, PgError, Session, Target};

/// At most this many scripts of either kind are tried, the first leak of each command and table first come.
const SCRIPTS: usize = 200;
/// What the last answer of a script is called: how many rows of others were reached. More than 0 is the leak.
const ANSWER: &str = "foreign_rows";

/// Puts a script beside the first leak of each command and table in the evidence of the isolation checks; how many.
pub async fn attach(copy: &Target, grounds: &Grounds, cells: &[Cell], evidence: &mut [Evidence]) -> usize {
    let mut kept = 0;
    let (mut emptied, mut paths) = (None, BTreeMap::new());
    // Those on the rows that are there come first: a session that took the worlds away holds their locks.
    for brings_worlds in [false, true] {
        let mut tried = 0;
        for row in evidence.iter_mut().flat_map(|evidence| &mut evidence.rows).filter(|row| row.ok == Some(false)) {
            let table = row.subject.clone();
            let Some(all) = row.detail.get_mut("cells").and_then(Value::as_array_mut) else { continue };
            let mut done: BTreeSet<String> = all
                .iter()
                .filter(|shown| shown["psql"].is_string())
                .filter_map(|shown| Some(shown["command"].as_str()?.to_owned()))
                .collect();
            for shown in all {
                let is = |cell: &&Cell| {
                    cell.cell.table == table
                        && cell.cell.verdict == CellVerdict::Leak
                        && shown["command"] == cell.cell.command.as_str()
                        && shown["context"] == cell.cell.context.as_str()
                };
                let Some(cell) = cells.iter().find(is) else { continue };
                if done.contains(&cell.cell.command) || tried == SCRIPTS {
                    continue;
                }
                tried += 1;
                let role = cell.context.role(&grounds.model, &cell.role);
                if !paths.contains_key(role) {
                    let Ok(path) = path_of(copy, role).await else { continue };
                    paths.insert(role.to_owned(), path);
                }
                let path = paths.get(role).map(String::as_str).unwrap_or_default();
                let found = match brings_worlds {
                    true => with_worlds(copy, grounds, cell, path, &mut emptied).await,
                    false => on_its_rows(copy, grounds, cell, path).await,
                };
                if let Some(script) = found {
                    shown["psql"] = json!(script);
                    done.insert(cell.cell.command.clone());
                    kept += 1;
                }
            }
        }
    }
    // Its locks must be gone before anything else is asked of the copy; a connection that is lost has none.
    if let Some(Some(session)) = emptied {
        let _ = session.close().await;
    }
    kept
}

/// The script on the rows that are there, if it shows the leak.
async fn on_its_rows(copy: &Target, grounds: &Grounds, cell: &Cell, path: &str) -> Option<String> {
    let script = script(grounds, cell, path)?;
    shows(copy, &script).await.unwrap_or(false).then_some(script)
}

/// The script that brings the worlds along, if it shows the leak. `emptied`: the session to try it in, from the first on.
async fn with_worlds(copy: &Target, grounds: &Grounds, cell: &Cell, path: &str, emptied: &mut Option<Option<Emptied>>) -> Option<String> {
    let script = worlds::script(grounds, cell, path)?;
    // A setting that was ever set is never NULL again: what a new connection shows is tried on one. The old one holds its locks till its end.
    if cell.context == Context::Fresh
        && let Some(Some(old)) = emptied.take()
    {
        old.close().await.ok()?;
    }
    if emptied.is_none() {
        *emptied = Some(Emptied::open(copy, grounds).await.ok());
    }
    let session = emptied.as_ref()?.as_ref()?;
    session.shows(&script).await.unwrap_or(false).then(|| script.text())
}

/// The `search_path` that the application has as a role.
async fn path_of(copy: &Target, role: &str) -> Result<String, PgError> {
    let session = copy.session_with(Access::ReadOnly, CELL_TIMEOUT_MS, 2_000).await?;
    client_path(&session, role).await
}

/// A session of the application's finds functions and types by it, and so do the bodies that it calls.
fn set_path(path: &str) -> String {
    format!("DO $ledger$ BEGIN PERFORM pg_catalog.set_config('search_path', {}, true); END $ledger$", literal(Some(path)))
}

/// Whether the script reaches a foreign row.
async fn shows(copy: &Target, script: &str) -> Result<bool, PgError> {
    let session: Session = copy.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
    Ok(reached(&session.simple(script).await?))
}

fn reached(answer: &[SimpleQueryMessage]) -> bool {
    let rows = answer.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(ANSWER).and_then(|text| text.parse::<i64>().ok()),
        _ => None,
    });
    rows.is_some_and(|rows| rows > 0)
}

/// The script for a leaking cell on the rows that are there, or nothing where only a member of a tenant could show it.
fn script(grounds: &Grounds, cell: &Cell, path: &str) -> Option<String> {
    let Grounds { shape, model, .. } = grounds;
    let scoped = model.tables.iter().find(|scoped| shape.table(scoped.oid).is_some_and(|table| table.sql == cell.cell.table))?;
    let table = shape.table(scoped.oid)?;
    // A member of A in the matrix is here a tenant of which there are no rows.
    let context = if cell.context == Context::Member { Context::Stranger } else { cell.context };
    // A label's row, a second membership and a tenant's own role are the worlds'.
    if matches!(cell.context, Context::Labelled(_) | Context::Second | Context::SecondLabelled(_) | Context::Owner)
        || !model.tenant_roles.is_empty()
    {
        return None;
    }
    let identity = context.sql(model, &cell.role);
    let role = identifier(&cell.role);
    let name = &table.sql;
    let own = own_scope(grounds, table, &scoped.scope);
    let changed =
        format!("SELECT pg_catalog.count(*) AS {ANSWER} FROM {name} WHERE xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid");
    // What the connecting role prepares, the statement that must not get through, and what then counts it.
    let (prepare, statement, count) = match cell.cell.command.as_str() {
        "SELECT" => (Vec::new(), format!("SELECT pg_catalog.count(*) AS {ANSWER} FROM {name}"), None),
        "DELETE foreign" => {
            let before = remember("ledger.before", &format!("SELECT pg_catalog.count(*)::text FROM {name}"));
            let after = format!("SELECT pg_catalog.current_setting('ledger.before')::bigint - pg_catalog.count(*) AS {ANSWER} FROM {name}");
            (vec![before], format!("DELETE FROM {name}"), Some(after))
        }
        "UPDATE foreign" => match cell.cell.why.contains("became") {
            // The row is taken: its tenant's column gets the session's own.
            true => {
                let (column, value) = own?;
                (Vec::new(), format!("UPDATE {name} SET {} = {value}", column.sql), Some(changed))
            }
            false => {
                let column =
                    table.columns.iter().find(|column| !column.generated && !table.is_unique_part(column.number) && column.not_null)?;
                let value = format!("SELECT {}::text FROM {name} LIMIT 1", column.sql);
                let set = format!("UPDATE {name} SET {} = pg_catalog.current_setting('ledger.value')::{}", column.sql, column.type_name);
                (vec![remember("ledger.value", &value)], set, Some(changed))
            }
        },
        "INSERT foreign" if scoped.scope != Scope::Anchor => {
            let columns: Vec<&str> = table.columns.iter().filter(|column| !column.generated).map(|column| column.sql.as_str()).collect();
            let columns = columns.join(", ");
            let take =
                format!("CREATE TEMPORARY TABLE ledger_row ON COMMIT DROP AS SELECT ctid AS ledger_place, {columns} FROM {name} LIMIT 1");
            let prepare = vec![
                take,
                format!("GRANT SELECT ON pg_temp.ledger_row TO {role}"),
                format!("DELETE FROM {name} WHERE ctid = (SELECT ledger_place FROM pg_temp.ledger_row)"),
            ];
            let insert = format!("INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM pg_temp.ledger_row");
            (prepare, insert, Some(changed))
        }
        "move own to B" => {
            let (column, value) = own?;
            let prepare = vec![
                remember("ledger.other", &format!("SELECT {}::text FROM {name} WHERE {} IS NOT NULL LIMIT 1", column.sql, column.sql)),
                format!(
                    "UPDATE {name} SET {} = {value} WHERE ctid = (SELECT ctid FROM {name} WHERE {} IS NOT NULL LIMIT 1)",
                    column.sql, column.sql
                ),
            ];
            let other = format!("pg_catalog.current_setting('ledger.other')::{}", column.type_name);
            let moved = format!("{changed} AND {} = {other}", column.sql);
            (prepare, format!("UPDATE {name} SET {} = {other}", column.sql), Some(moved))
        }
        _ => return None,
    };
    let mut lines = vec![
        heading(cell, context.word()),
        "-- For psql, as a role that bypasses row security, on the migrated database or a copy. Everything is rolled back.".to_owned(),
        "BEGIN;".to_owned(),
        format!("{};", set_path(path)),
    ];
    if count.is_some() {
        lines.push("SET LOCAL session_replication_role = replica;".to_owned());
    }
    match context {
        Context::Fresh => lines.push("-- The session must be new: nothing about a tenant was ever set on it.".to_owned()),
        _ if !identity.is_empty() => lines.push(format!("{identity};")),
        _ => {}
    }
    lines.extend(prepare.iter().map(|statement| format!("{statement};")));
    lines.push(format!("SET LOCAL ROLE {role};"));
    match count {
        None => lines.push(format!("{statement}; -- expected 0")),
        Some(count) => lines.extend([format!("{statement};"), "RESET ROLE;".to_owned(), format!("{count}; -- expected 0")]),
    }
    lines.push("ROLLBACK;".to_owned());
    Some(lines.join("\n") + "\n")
}

/// Keeps a value of the database for the script, without showing or recording it.
pub(super) fn remember(setting: &str, query: &str) -> String {
    format!("DO $ledger$ BEGIN PERFORM pg_catalog.set_config({}, ({query}), true); END $ledger$", literal(Some(setting)))
}

/// The table's tenant column, and what the session itself says its value is.
fn own_scope<'a>(grounds: &Grounds, table: &'a Table, scope: &Scope) -> Option<(&'a Column, String)> {
    let Scope::Path { columns, .. } = scope else { return None };
    let [number] = columns.as_slice() else { return None };
    let column = table.column(*number)?;
    let class = grounds.model.class(table.oid, *number);
    let (source, _) = grounds.model.sources.iter().find(|(_, meaning)| *meaning == Meaning::Key(class.clone()))?;
    let setting = format!("pg_catalog.current_setting({})", literal(Some(&source.setting)));
    let value = match source.claim.is_empty() {
        true => setting,
        false => {
            let path: Vec<String> = source.claim.iter().map(|step| literal(Some(step))).collect();
            format!("pg_catalog.jsonb_extract_path_text({setting}::pg_catalog.jsonb, {})", path.join(", "))
        }
    };
    Some((column, format!("({value})::{}", column.type_name)))
}

/// The first line: the cell.
fn heading(cell: &Cell, context: &str) -> String {
    format!("-- {}: {} as {} ({})", comment(&cell.cell.table), cell.cell.command, comment(&cell.role), comment(context))
}

/// A name inside a comment of one line.
fn comment(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
