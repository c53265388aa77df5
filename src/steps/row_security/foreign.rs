//! Foreign tables: no policy applies to them (PostgreSQL manual, CREATE POLICY; "Row Security Policies"), so whoever may read one reads
//! whatever its server gives to the role's user mapping, the same for every tenant.
//!
//! 1. Without a privilege or without a user mapping it is denied to all.
//! 2. What stands behind it is not in the copy. It is read where that is harmless: files, and other PostgreSQL servers, on which the
//!    session is made read-only and bounded before it connects. Any other wrapper is left alone.
//! 3. Tenant A was made up a moment ago: rows with another tenant in them are others' rows. Without a column that says whose they are,
//!    the rows may be meant for everybody, and stay open until ledger.toml says so.

use std::collections::BTreeSet;

use tokio_postgres::SimpleQueryMessage;

use super::context::Context;
use super::matrix::{Cell, NO_PRIVILEGE};
use super::model::{KeyClass, Model};
use super::seed::identifier;
use super::shape::Shape;
use super::value::{World, literal};
use super::world::number;
use crate::domain::product::{CellVerdict, IsolationCell};
use crate::pg::{PgError, Session, Target};

/// Rows that are counted at most.
const COUNTED: u64 = 1_000;
/// What a session on another PostgreSQL server is told before it is opened.
const GUARD: &str = "-c default_transaction_read_only=on -c statement_timeout=4000";

/// A foreign table, or a view on nothing else.
struct Foreign {
    kind: String,
    name: String,
    columns: Vec<String>,
    readers: Vec<String>,
    writers: Vec<String>,
    servers: Vec<String>,
    wrappers: Vec<String>,
}

/// Makes sessions on other PostgreSQL servers read-only and bounded, until the open transaction ends; the servers for which it may not.
pub(super) async fn guard(session: &Session) -> Result<BTreeSet<String>, PgError> {
    let sql = "SELECT s.srvname::text, w.fdwname = 'postgres_fdw', COALESCE(s.srvoptions, '{}')
               FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
               WHERE w.fdwname <> 'file_fdw' ORDER BY 1";
    let mut refused = BTreeSet::new();
    for row in session.query(sql, &[]).await? {
        let (name, guardable, options): (String, bool, Vec<String>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let given = |option: &str| options.iter().find_map(|text| text.strip_prefix(&format!("{option}=")));
        let timeout = if given("connect_timeout").is_some() { "SET" } else { "ADD" };
        let (verb, own) = given("options").map_or(("ADD", String::new()), |own| ("SET", format!("{own} ")));
        let alter = format!(
            "SAVEPOINT guard; ALTER SERVER {} OPTIONS ({timeout} connect_timeout '3', {verb} options {}); RELEASE guard",
            identifier(&name),
            literal(Some(&format!("{own}{GUARD}")))
        );
        if !guardable {
            refused.insert(name);
            continue;
        }
        match session.batch(&alter).await {
            Ok(()) => {}
            Err(error) if error.disconnected => return Err(error),
            Err(_) => {
                session.batch("ROLLBACK TO guard; RELEASE guard").await?;
                refused.insert(name);
            }
        }
    }
    Ok(refused)
}

/// Asks every foreign table as every role that may.
pub(super) async fn probe(
    target: &Target,
    shape: &Shape,
    model: &Model,
    everybodys: &[String],
    say: &dyn Fn(&str),
) -> Result<Vec<Cell>, PgError> {
    let session = super::seed::session(target).await?;
    let found = all(&session, &model.roles).await?;
    drop(session);
    let mut cells = Vec::new();
    for foreign in &found {
        let mut push = |role: &str, verdict: CellVerdict, why: String, statement: Option<String>| {
            let context = if role.is_empty() { "any".to_owned() } else { format!("{role}, {}", Context::Member.word()) };
            let cell = IsolationCell { table: foreign.name.clone(), command: "SELECT".into(), context, verdict, why };
            cells.push(Cell { table: 0, context: Context::Member, role: role.to_owned(), cell, statement, tried: None });
        };
        if foreign.readers.is_empty() && foreign.writers.is_empty() {
            push("", CellVerdict::Denied, NO_PRIVILEGE.into(), None);
            continue;
        }
        for role in &foreign.readers {
            say(&format!("{} · {role}", foreign.name));
            let (verdict, why) = read(target, shape, model, foreign, role, everybodys).await?;
            let statement = format!("SELECT count(*) FROM {}", foreign.name);
            push(role, verdict, why, Some(statement));
        }
        for role in foreign.writers.iter().filter(|role| !foreign.readers.contains(role)) {
            let why = "it may be written to without being read, and writing reaches beyond the copy: not tried";
            push(role, CellVerdict::Undecided, why.into(), None);
        }
    }
    Ok(cells)
}

async fn all(session: &Session, roles: &[String]) -> Result<Vec<Foreign>, PgError> {
    let mut found = Vec::new();
    for row in session.query(include_str!("foreign.sql"), &[&roles]).await? {
        found.push(Foreign {
            kind: row.try_get(0)?,
            name: row.try_get(1)?,
            columns: row.try_get(2)?,
            readers: row.try_get(3)?,
            writers: row.try_get(4)?,
            servers: row.try_get(5)?,
            wrappers: row.try_get(6)?,
        });
    }
    Ok(found)
}

/// One role's look, on a connection of its own: what it opened elsewhere ends with it.
async fn read(
    target: &Target,
    shape: &Shape,
    model: &Model,
    foreign: &Foreign,
    role: &str,
    everybodys: &[String],
) -> Result<(CellVerdict, String), PgError> {
    let session = super::seed::session(target).await?;
    session.batch("BEGIN").await?;
    let refused = guard(&session).await?;
    // What a materialized view holds is here already.
    if let Some(server) = foreign.servers.iter().find(|server| refused.contains(*server)).filter(|_| foreign.kind != "m") {
        let through = foreign.wrappers.join(", ");
        let why = format!(
            "no row security applies to it, and what stands behind it (server {server}, {through}) cannot be read without risk from here"
        );
        return Ok((CellVerdict::Undecided, why));
    }
    let whose = whose(shape, model, &foreign.columns);
    let others = whose.iter().map(|(column, of_a)| format!("{}::text IS DISTINCT FROM {}", identifier(column), literal(Some(of_a))));
    let others = others.collect::<Vec<_>>().join(" AND ");
    let filter = if others.is_empty() { String::new() } else { format!(" WHERE {others}") };
    let count = |filter: &str| format!("SELECT pg_catalog.count(*) FROM (SELECT 1 FROM {}{filter} LIMIT {COUNTED}) AS found", foreign.name);
    let sql = format!("SAVEPOINT look; SET LOCAL ROLE {}; {}", identifier(role), count(&filter));
    let answer: Result<Vec<SimpleQueryMessage>, PgError> = session.simple(&sql).await;
    let rows = match answer {
        Ok(answer) => number(&answer, 0).unwrap_or(0),
        Err(error) if error.disconnected && !error.is("57014") => return Err(error),
        Err(error) => {
            let state = error.sqlstate.unwrap_or_else(|| "no SQLSTATE".into());
            return Ok(match state.as_str() {
                "42704" => (CellVerdict::Denied, "no user mapping on its server: no role of the application reaches it (42704)".into()),
                "42501" => (CellVerdict::Denied, "refused with 42501".into()),
                _ => (
                    CellVerdict::Undecided,
                    format!("no row security applies to it, and what stands behind it does not answer here ({state})"),
                ),
            });
        }
    };
    let many = if rows == COUNTED { format!("{rows} rows or more") } else { format!("{rows} rows") };
    let named = |stated: &String| shape_name(stated) == shape_name(&foreign.name);
    Ok(match (rows, whose.first()) {
        _ if everybodys.iter().any(named) => (CellVerdict::Shared, "ledger.toml says that everybody may read it".into()),
        (0, Some(_)) => {
            (CellVerdict::Undecided, "no row security applies to it; no row of another tenant stands behind it at present".into())
        }
        (0, None) => (CellVerdict::Undecided, "no row security applies to it; no row stands behind it at present".into()),
        (_, Some((column, _))) => (
            CellVerdict::Leak,
            format!("{many} of other tenants read, by {column} (expected 0): no row security applies to a foreign table"),
        ),
        (_, None) => (
            CellVerdict::Undecided,
            format!("{many} read by every tenant, and no column says whose they are; if that is meant, name it in [tenancy] everybodys"),
        ),
    })
}

/// Columns that are named as those by which tables belong to a tenant or a person, and A's key in each.
fn whose(shape: &Shape, model: &Model, columns: &[String]) -> Vec<(String, String)> {
    let tenant = model.tenant_class(shape);
    let principals = model.principals(shape);
    let class = |name: &String| -> Option<KeyClass> {
        let mut classes = shape.tables.iter().filter_map(|table| {
            let column = table.column_named(name).filter(|column| !table.key().contains(&column.number) || table.key().len() > 1)?;
            Some(model.class(table.oid, column.number))
        });
        classes.find(|class| Some(class) == tenant.as_ref() || principals.contains(class))
    };
    let key = |class: KeyClass| model.key(&class, None, World::A, 0);
    let of = |name: &String| match class(name) {
        Some(class) => Some((name.clone(), key(class))),
        None => tenant.clone().filter(|_| model.columns.contains(name)).map(|class| (name.clone(), key(class))),
    };
    let mut found: Vec<(String, String)> = columns.iter().filter_map(of).collect();
    // Whose a row is, its tenant says before any person.
    found.sort_by_key(|(name, _)| !model.columns.contains(name));
    found.truncate(1);
    found
}

/// A name without quotes and without `public.`, to compare what people write.
fn shape_name(name: &str) -> String {
    let bare = name.replace('"', "");
    bare.strip_prefix("public.").unwrap_or(&bare).to_owned()
}
