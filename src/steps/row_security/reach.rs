//! Other ways to a table's rows: views, materialized views, partitions addressed directly, functions of the definer; foreign
//! tables in `foreign`.
//!
//! Each is asked twice: with both worlds, and with B's rows taken away behind it. An answer that changes lets B's rows through,
//! aggregated or not. The positive control is the same with A's rows.

mod again;

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::SimpleQueryMessage;

use super::calls::Function;
use super::context::Context;
use super::foreign;
use super::matrix::{Cell, Tried};
use super::model::{Model, Scope, names_column};
use super::seed::{client_path, identifier};
use super::shape::{Column, Shape, Table};
use super::value::{self, World, literal};
use super::world::{REPLICA, Worlds, condition};
use crate::domain::product::{CellVerdict, IsolationCell};
use crate::pg::{PgError, Session, Target};

/// A view, snapshot, partition or function.
struct Way {
    kind: String,
    /// `security_invoker`: the policies of its tables are asked for whoever asks it.
    invoker: bool,
    name: String,
    bases: Vec<i64>,
    snapshots: Vec<String>,
    roles: Vec<String>,
    /// What the partition's rows must be.
    bound: String,
    function: Option<Function>,
    /// Servers of foreign tables behind it.
    servers: Vec<String>,
}

/// What came of asking a way in a context.
struct Answer {
    verdict: CellVerdict,
    why: String,
    /// What was asked, without values.
    from: String,
    tried: Option<Tried>,
}

impl Answer {
    fn new(verdict: CellVerdict, why: impl Into<String>, from: &str) -> Self {
        Self { verdict, why: why.into(), from: from.to_owned(), tried: None }
    }

    fn leak(why: &str, from: &str, tried: Tried) -> Self {
        Self { tried: Some(tried), ..Self::new(CellVerdict::Leak, why, from) }
    }
}

const SHOWS_B: &str = "its answer changes when B's rows are taken away: it shows them, or something made of them";

/// What the other ways came to.
#[derive(Debug, Default)]
pub struct Reached {
    pub cells: Vec<Cell>,
    /// In order.
    pub names: Vec<String>,
}

/// Asks every way that a role of the application may take.
pub async fn probe(
    target: &Target,
    shape: &Shape,
    model: &Model,
    worlds: &Worlds,
    everybodys: &[String],
    say: &dyn Fn(&str),
) -> Result<Reached, PgError> {
    let mut reached = Reached::default();
    let session = super::seed::session(target).await?;
    let ways = ways(&session, shape, model, worlds).await?;
    drop(session);
    if !model.sources.iter().any(|(_, meaning)| matches!(meaning, super::model::Meaning::Key(_))) {
        return Ok(reached);
    }
    reached.names = ways.iter().map(|way| way.name.clone()).collect();
    // Ways that were shown to let something through: without that, an answer that stays the same says nothing.
    let mut alive: BTreeSet<&str> = BTreeSet::new();
    for role in model.roles.iter().filter(|_| !ways.is_empty()) {
        for context in [Context::Member, Context::Fresh] {
            if !Context::of(model).contains(&context) {
                continue;
            }
            let session = super::seed::session(target).await?;
            client_path(&session, context.role(model, role)).await?;
            session.batch(&format!("{}; BEGIN", context.sql(model, role))).await?;
            // A view may read from another server: only where that changes nothing there and waits for nothing.
            let refused = foreign::guard(&session).await?;
            for way in ways.iter().filter(|way| way.roles.contains(role)) {
                say(&format!("{} · {role}", way.name));
                let acting = context.role(model, role);
                let outside = way.servers.iter().find(|server| refused.contains(*server));
                let asked = match &way.function {
                    _ if let Some(server) = outside => {
                        let why = format!("it reads from the server {server}, which cannot be done without risk from here");
                        Some(Answer::new(CellVerdict::Undecided, why, &way.name))
                    }
                    Some(function) if !function.types.is_empty() || !function.reads_only => {
                        call(&session, shape, worlds, way, function, acting).await?
                    }
                    _ => ask(&session, shape, worlds, way, acting, context).await?,
                };
                let Some(Answer { verdict, why, from, tried }) = asked else { continue };
                if verdict == CellVerdict::Isolated && !context.is_without() {
                    alive.insert(&way.name);
                }
                if verdict == CellVerdict::Isolated && context.is_without() && way.function.is_none() && !alive.contains(way.name.as_str())
                {
                    continue;
                }
                let shown = format!("{role}, {}", context.word());
                let command = if way.kind == "function" { "call" } else { "SELECT" };
                let statement = Some(format!("SELECT * FROM {from}"));
                let cell = IsolationCell { table: way.name.clone(), command: command.into(), context: shown, verdict, why };
                reached.cells.push(Cell { table: 0, context, role: role.clone(), cell, statement, tried });
            }
            session.batch("ROLLBACK").await?;
        }
    }
    let of_servers = foreign::probe(target, shape, model, everybodys, say).await?;
    let names: BTreeSet<String> = of_servers.iter().map(|cell| cell.cell.table.clone()).collect();
    reached.names.extend(names);
    reached.cells.extend(of_servers);
    reached.names.retain(|name| reached.cells.iter().any(|cell| cell.cell.table == *name));
    Ok(reached)
}

/// Why a way is undecided where the session may not leave triggers and keys aside.
const NO_REPLICA: &str = "without replica mode B's rows cannot be taken away behind it";

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
        let (mut name, marked): (String, bool) = (row.try_get(2)?, row.try_get(1)?);
        let mut function = None;
        if kind == "function" {
            // What policies ask must be callable by whoever they speak to, and answers what they need to know.
            let bare = name.rsplit('.').next().unwrap_or_default();
            let asked = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains(&format!("{bare}(")));
            if !Function::is_safe(&body) || shape.policies.iter().any(|policy| asked(&policy.using) || asked(&policy.check)) {
                continue;
            }
            let needed = usize::try_from(row.try_get::<_, i32>(10)?).unwrap_or(0);
            let callable = Function { name, names: row.try_get(8)?, types: row.try_get(9)?, needed, reads_only: marked };
            name = callable.signature();
            function = Some(callable);
        }
        let (snapshots, roles, bound) = (row.try_get(5)?, row.try_get(6)?, row.try_get(7)?);
        let way =
            Way { invoker: marked && kind != "function", name, snapshots, roles, bound, function, kind, bases, servers: row.try_get(11)? };
        if !way.roles.is_empty() && !way.bases.is_empty() {
            ways.push(way);
        }
    }
    Ok(ways)
}

/// Puts the worlds' rows into the partition that is asked, where its bounds name a value of each column of the key; and where they
/// stand then.
fn placed(shape: &Shape, worlds: &Worlds, way: &Way) -> (String, BTreeMap<World, String>) {
    let (mut place, mut stand) = (String::new(), BTreeMap::new());
    let Some(table) = way.bases.iter().find_map(|oid| shape.table(*oid)).filter(|_| way.kind == "p") else { return (place, stand) };
    let Some(key) = &table.partition_key else { return (place, stand) };
    let values: Vec<(&Column, String)> =
        key.iter().filter_map(|n| table.column(*n)).filter_map(|column| Some((column, value::bound(&way.bound, &column.sql)?))).collect();
    let sets: Vec<String> = values.iter().map(|(column, value)| format!("{} = {}", column.sql, literal(Some(value)))).collect();
    for world in [World::A, World::B].into_iter().filter(|_| !sets.is_empty()) {
        let (Some(at), Some(row)) = (worlds.locate(table, world), worlds.row(table.oid, world)) else { continue };
        place.push_str(&format!("UPDATE {} SET {} WHERE {at}; ", table.sql, sets.join(", ")));
        let mut row = row.clone();
        row.extend(values.iter().map(|(column, value)| (column.number, Some(value.clone()))));
        stand.insert(world, condition(table, &row));
    }
    match place.is_empty() {
        true => (place, stand),
        false => (format!("{REPLICA}; {place}SET LOCAL session_replication_role = origin; "), stand),
    }
}

/// Calls a function with what identifies B's rows.
async fn call(
    session: &Session,
    shape: &Shape,
    worlds: &Worlds,
    way: &Way,
    function: &Function,
    role: &str,
) -> Result<Option<Answer>, PgError> {
    if !worlds.replica {
        return Ok(Some(Answer::new(CellVerdict::Undecided, NO_REPLICA, &function.name)));
    }
    let mut rows: Vec<(&Table, String)> =
        way.bases.iter().filter_map(|oid| shape.table(*oid)).filter_map(|table| Some((table, worlds.locate(table, World::B)?))).collect();
    // What the session reads anyway is no news from a function.
    let mut hidden = Vec::new();
    for (table, at) in rows.drain(..) {
        let seen = format!("SET LOCAL ROLE {}; SELECT pg_catalog.count(*) FROM {} WHERE {at}", identifier(role), table.sql);
        if answer(session, &seen).await?.map_or(true, |seen| seen.first().map(String::as_str) == Some("0")) {
            hidden.push((table, at));
        }
    }
    let rows = hidden;
    if rows.is_empty() {
        return Ok(None);
    }
    let stand: Vec<String> =
        rows.iter().map(|(table, at)| format!("(SELECT pg_catalog.string_agg(w::text, ',') FROM {} AS w WHERE {at})", table.sql)).collect();
    let stand = format!("SELECT pg_catalog.md5(pg_catalog.concat_ws('|', {}))", stand.join(", "));
    let deletes = |world: World| -> String {
        let rows = rows.iter().filter_map(|(table, _)| Some((table, worlds.locate(table, world)?)));
        rows.map(|(table, at)| format!("DELETE FROM {} WHERE {at}; ", table.sql)).collect()
    };
    let away = |world: World| format!("{REPLICA}; {}SET LOCAL session_replication_role = origin; ", deletes(world));
    let (mut answered, mut last) = (false, None);
    for tried in function.calls(shape, worlds, &way.bases) {
        let asked = |from: &str| format!("SET LOCAL ROLE {}; {}; RESET ROLE", identifier(role), again::digest(from));
        let (of_b, of_a) = (asked(&tried.of_b), asked(&tried.of_a));
        let with = answer(session, &format!("{stand}; {of_b}; SET CONSTRAINTS ALL IMMEDIATE; {stand}")).await?;
        let shown = tried.shown.clone();
        if let Ok(with) = &with {
            if with.first() != with.last() {
                let why = "called with what identifies B's row, it changes that row or takes it away";
                return Ok(Some(Answer::leak(why, &shown, again::changes(&tried.of_b, &stand))));
            }
            let again = answer(session, &of_b).await?;
            let without = answer(session, &format!("{}{of_b}", away(World::B))).await?;
            let (first, again, without) = (with.get(1), again.as_ref().ok().and_then(|a| a.first()), without);
            if first != again {
                continue; // it answers differently each time it is asked
            }
            // Without B's row it may raise: then it told that there is one.
            if without.as_ref().map_or(true, |without| without.first() != first) {
                return Ok(Some(Answer::leak(SHOWS_B, &shown, again::differs(&tried.of_b, role, "", &deletes(World::B)))));
            }
        }
        let own = answer(session, &of_a).await?;
        let without = answer(session, &format!("{}{of_a}", away(World::A))).await?;
        answered |= match (&own, &without) {
            (Ok(own), Ok(without)) => own != without,
            (Ok(_), Err(_)) => true,
            _ => false,
        };
        last = Some(shown);
    }
    Ok(last.filter(|_| answered).map(|shown| Answer::new(CellVerdict::Isolated, "it answers about A's rows and not about B's", &shown)))
}

/// The first column of every answer, rolled back; the inner error is the server's.
async fn answer(session: &Session, sql: &str) -> Result<Result<Vec<String>, PgError>, PgError> {
    match session.simple(&format!("SAVEPOINT way; {sql}; ROLLBACK TO way; RELEASE way")).await {
        Ok(answer) => Ok(Ok(answer
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
                _ => None,
            })
            .collect())),
        Err(error) if error.disconnected && !error.is("57014") => Err(error),
        Err(error) => {
            session.batch("ROLLBACK TO way; RELEASE way").await?;
            Ok(Err(error))
        }
    }
}

/// The verdict of one way; `None` where it says nothing about either world. The outer error is a lost connection.
async fn ask(
    session: &Session,
    shape: &Shape,
    worlds: &Worlds,
    way: &Way,
    role: &str,
    context: Context,
) -> Result<Option<Answer>, PgError> {
    let answer = |verdict, why: &str| Ok(Some(Answer::new(verdict, why, &way.name)));
    if !worlds.replica {
        return answer(CellVerdict::Undecided, NO_REPLICA);
    }
    let digest = format!("SET LOCAL ROLE {}; {}; RESET ROLE", identifier(role), again::digest(&way.name));
    let (place, stand) = placed(shape, worlds, way);
    let refresh: String = way.snapshots.iter().map(|name| format!("REFRESH MATERIALIZED VIEW {name}; ")).collect();
    let away = |world: World| -> String {
        let rows = way.bases.iter().filter_map(|oid| shape.table(*oid));
        let rows = rows.filter_map(|table| Some((table, stand.get(&world).cloned().or_else(|| worlds.locate(table, world))?)));
        rows.map(|(table, at)| format!("DELETE FROM {} WHERE {at}; ", table.sql)).collect::<String>() + &refresh
    };
    let without = |world: World| format!("{REPLICA}; {}{digest}", away(world));
    let sql = format!(
        "SAVEPOINT way; {place}SAVEPOINT asked; {refresh}{digest}; {digest}; {}; ROLLBACK TO asked; {}; ROLLBACK TO way; RELEASE way",
        without(World::B),
        without(World::A)
    );
    let answers = match session.simple(&sql).await {
        Ok(answers) => answers,
        Err(error) if error.disconnected && !error.is("57014") => return Err(error),
        Err(error) => {
            session.batch("ROLLBACK TO way; RELEASE way").await?;
            let state = error.sqlstate.as_deref().unwrap_or("no SQLSTATE");
            return match state {
                "42501" if way.snapshots.is_empty() => answer(CellVerdict::Denied, "refused with 42501"),
                // Raising without a context keeps everything closed.
                state if context.is_without() && !["57014", "42501"].contains(&state) => {
                    answer(CellVerdict::Denied, &format!("refused with {state}"))
                }
                state => answer(CellVerdict::Undecided, &format!("it cannot be read or refreshed ({state})")),
            };
        }
    };
    let digests: Vec<&str> = answers
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    let [first, second, without_b, without_a] = digests.as_slice() else {
        return answer(CellVerdict::Undecided, "no answer");
    };
    let leak = |world, why| {
        let first = format!("{place}{refresh}");
        Ok(Some(Answer::leak(why, &way.name, again::differs(&way.name, role, &first, &away(world)))))
    };
    if first != second {
        answer(CellVerdict::Undecided, "it answers differently each time it is asked")
    } else if first != without_b {
        leak(World::B, SHOWS_B)
    } else if context.is_without() && first != without_a {
        leak(World::A, "its answer changes when A's rows are taken away: it shows them, or something made of them")
    } else if context.is_without() {
        answer(CellVerdict::Isolated, "its answer does not depend on anybody's rows")
    } else if first != without_a {
        answer(CellVerdict::Isolated, "its answer depends on A's rows and not on B's")
    } else if way.invoker {
        answer(CellVerdict::Isolated, "security_invoker: its tables' policies decide; it shows neither world's rows")
    } else if way.kind == "v" || way.kind == "m" {
        answer(CellVerdict::Undecided, "it shows neither world's rows")
    } else {
        Ok(None)
    }
}
