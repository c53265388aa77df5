//! Other ways to a table's rows: views, materialized views, foreign tables, partitions addressed directly, functions of the definer.
//!
//! Each is asked twice: with both worlds, and with B's rows taken away behind it. An answer that changes lets B's rows through,
//! aggregated or not. The positive control is the same with A's rows.

use tokio_postgres::SimpleQueryMessage;

use super::context::Context;
use super::matrix::{CELL_TIMEOUT_MS, Cell, sees_the_truth};
use super::model::{Model, Scope, names_column};
use super::seed::identifier;
use super::shape::Shape;
use super::value::World;
use super::world::REPLICA;
use super::world::Worlds;
use crate::domain::product::{CellVerdict, IsolationCell};
use crate::pg::{Access, PgError, Session, Target};

/// A view, snapshot, partition or function.
struct Way {
    kind: String,
    /// `security_invoker`: the policies of its tables are asked for whoever asks it.
    invoker: bool,
    name: String,
    bases: Vec<i64>,
    snapshots: Vec<String>,
    roles: Vec<String>,
}

/// What the other ways came to.
#[derive(Debug, Default)]
pub struct Reached {
    pub cells: Vec<Cell>,
    /// In order.
    pub names: Vec<String>,
}

/// Asks every way that a role of the application may take.
pub async fn probe(target: &Target, shape: &Shape, model: &Model, worlds: &Worlds, say: &dyn Fn(&str)) -> Result<Reached, PgError> {
    let mut reached = Reached::default();
    let session = target.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
    let ways = ways(&session, shape, model, worlds).await?;
    drop(session);
    if ways.is_empty() || !model.sources.iter().any(|(_, meaning)| matches!(meaning, super::model::Meaning::Key(_))) {
        return Ok(reached);
    }
    reached.names = ways.iter().map(|way| way.name.clone()).collect();
    for role in &model.roles {
        for context in [Context::Member, Context::Fresh] {
            if !Context::of(model).contains(&context) {
                continue;
            }
            let session = target.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
            debug_assert!(sees_the_truth(&session).await?);
            session.batch(&format!("{}; BEGIN", context.sql(model, role))).await?;
            for way in ways.iter().filter(|way| way.roles.contains(role)) {
                say(&format!("{} · {role}", way.name));
                if context == Context::Fresh && way.kind == "f" {
                    continue;
                }
                let Some((verdict, why)) = ask(&session, shape, worlds, way, context.role(model, role), context).await? else { continue };
                let shown = format!("{role}, {}", context.word());
                let command = if way.kind == "function" { "call" } else { "SELECT" };
                let statement = (way.kind != "f").then(|| format!("SELECT * FROM {}", way.name));
                let cell = IsolationCell { table: way.name.clone(), command: command.into(), context: shown, verdict, why };
                reached.cells.push(Cell { table: 0, context, role: role.clone(), cell, statement });
            }
            session.batch("ROLLBACK").await?;
        }
    }
    reached.names.retain(|name| reached.cells.iter().any(|cell| cell.cell.table == *name));
    Ok(reached)
}

async fn ways(session: &Session, shape: &Shape, model: &Model, worlds: &Worlds) -> Result<Vec<Way>, PgError> {
    let belongs = |oid: &i64| {
        let scoped = model.tables.iter().any(|scoped| scoped.oid == *oid && scoped.scope != Scope::None);
        scoped && worlds.row(*oid, World::A).is_some() && worlds.row(*oid, World::B).is_some()
    };
    let mut ways = Vec::new();
    for row in session.query(include_str!("reach.sql"), &[&model.roles]).await? {
        let (kind, body): (String, String) = (row.try_get(0)?, row.try_get(3)?);
        let mut bases: Vec<i64> = row.try_get(4)?;
        if kind == "function" {
            bases = shape.tables.iter().filter(|table| names_column(&body, &table.name)).map(|table| table.oid).collect();
        }
        bases.retain(belongs);
        let way = Way { invoker: row.try_get(1)?, name: row.try_get(2)?, snapshots: row.try_get(5)?, roles: row.try_get(6)?, kind, bases };
        if !way.roles.is_empty() && (!way.bases.is_empty() || way.kind == "f") {
            ways.push(way);
        }
    }
    Ok(ways)
}

/// The verdict of one way; `None` where it says nothing about either world. The outer error is a lost connection.
async fn ask(
    session: &Session,
    shape: &Shape,
    worlds: &Worlds,
    way: &Way,
    role: &str,
    context: Context,
) -> Result<Option<(CellVerdict, String)>, PgError> {
    if way.kind == "f" {
        return Ok(Some((
            CellVerdict::Undecided,
            "a foreign table has no row security, and what stands behind it is not in the copy".into(),
        )));
    }
    if !worlds.replica {
        return Ok(Some((CellVerdict::Undecided, "without replica mode B's rows cannot be taken away behind it".into())));
    }
    let digest = format!(
        "SET LOCAL ROLE {}; SELECT pg_catalog.md5(COALESCE(pg_catalog.string_agg(\"ledger row\"::text, '|' ORDER BY \"ledger row\"::text COLLATE \"C\"), '')) FROM {} AS \"ledger row\"; RESET ROLE",
        identifier(role),
        way.name
    );
    let refresh: String = way.snapshots.iter().map(|name| format!("REFRESH MATERIALIZED VIEW {name}; ")).collect();
    let without = |world: World| {
        let rows = way.bases.iter().filter_map(|oid| shape.table(*oid)).filter_map(|table| Some((table, worlds.locate(table, world)?)));
        let deletes: String = rows.map(|(table, at)| format!("DELETE FROM {} WHERE {at}; ", table.sql)).collect();
        format!("{REPLICA}; {deletes}{refresh}{digest}")
    };
    let sql = format!(
        "SAVEPOINT way; {refresh}{digest}; {digest}; {}; ROLLBACK TO way; {}; ROLLBACK TO way; RELEASE way",
        without(World::B),
        without(World::A)
    );
    let answer = match session.simple(&sql).await {
        Ok(answer) => answer,
        Err(error) if error.disconnected && !error.is("57014") => return Err(error),
        Err(error) => {
            session.batch("ROLLBACK TO way; RELEASE way").await?;
            let state = error.sqlstate.as_deref().unwrap_or("no SQLSTATE");
            return Ok(Some(match state {
                "42501" if way.snapshots.is_empty() => (CellVerdict::Denied, "refused with 42501".into()),
                // Raising without a context keeps everything closed.
                state if context.is_without() && !["57014", "42501"].contains(&state) => {
                    (CellVerdict::Denied, format!("refused with {state}"))
                }
                state => (CellVerdict::Undecided, format!("it cannot be read or refreshed ({state})")),
            }));
        }
    };
    let digests: Vec<&str> = answer
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    let [first, second, without_b, without_a] = digests.as_slice() else {
        return Ok(Some((CellVerdict::Undecided, "no answer".into())));
    };
    Ok(if first != second {
        Some((CellVerdict::Undecided, "it answers differently each time it is asked".into()))
    } else if first != without_b {
        Some((CellVerdict::Leak, "its answer changes when B's rows are taken away: it shows them, or something made of them".into()))
    } else if context.is_without() {
        Some((CellVerdict::Isolated, "its answer does not depend on B's rows".into()))
    } else if first != without_a {
        Some((CellVerdict::Isolated, "its answer depends on A's rows and not on B's".into()))
    } else if way.invoker {
        Some((CellVerdict::Isolated, "security_invoker: its tables' policies decide; it shows neither world's rows".into()))
    } else if way.kind == "v" || way.kind == "m" {
        Some((CellVerdict::Undecided, "it shows neither world's rows".into()))
    } else {
        None
    })
}
