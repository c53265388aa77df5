//! A script that brings the two tenants along: for what only a member of a tenant, or one with a label, can show.
//!
//! The rows are the worlds' own. What was not made for them but taken from a row of the database is looked up there by the script, so
//! that it holds no value of anybody's.

use std::collections::BTreeSet;

use super::{ANSWER, heading, remember, set_path};
use crate::pg::{Access, PgError, Session, Target};
use crate::steps::row_security::context::Context;
use crate::steps::row_security::labels::Place;
use crate::steps::row_security::matrix::{CELL_TIMEOUT_MS, Cell, Tried};
use crate::steps::row_security::mutate::Grounds;
use crate::steps::row_security::seed::identifier;
use crate::steps::row_security::shape::{Column, Shape, Table};
use crate::steps::row_security::value::{World, labels, literal};
use crate::steps::row_security::world::{ORIGIN, REPLICA, Row, compose, condition};

/// Tables of which a script brings rows, at most: it is to be read.
const TABLES: usize = 40;

/// A session of the copy in which the worlds are gone, for trying scripts that bring them; nothing of it is committed.
pub(super) struct Emptied(Session);

impl Emptied {
    /// Takes the worlds away. An error where the role may not, or where the connection is lost.
    pub(super) async fn open(copy: &Target, grounds: &Grounds) -> Result<Self, PgError> {
        let session = copy.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
        session.batch(&format!("BEGIN; {REPLICA}")).await?;
        for table in &grounds.shape.tables {
            for at in [World::A, World::B].into_iter().filter_map(|world| grounds.worlds.locate(table, world)) {
                session.batch(&format!("DELETE FROM {} WHERE {at}", table.sql)).await?;
            }
        }
        session.batch(ORIGIN).await?;
        Ok(Self(session))
    }

    /// Gives the worlds back.
    pub(super) async fn close(self) -> Result<(), PgError> {
        self.0.batch("ROLLBACK").await
    }

    /// Whether the script shows the leak here.
    pub(super) async fn shows(&self, script: &Script) -> Result<bool, PgError> {
        let shown = self.0.simple(&format!("SAVEPOINT script; {}", script.body)).await;
        match &shown {
            Err(error) if error.disconnected && !error.is("57014") => {}
            _ => self.0.batch("ROLLBACK TO script; RELEASE script").await?,
        }
        Ok(super::reached(&shown?))
    }
}

/// A script, and what of it stands between BEGIN and ROLLBACK.
pub(super) struct Script {
    head: String,
    body: String,
}

impl Script {
    pub(super) fn text(&self) -> String {
        format!("{}BEGIN;\n{}ROLLBACK;\n", self.head, self.body)
    }
}

/// The script of a leaking cell; `None` where the worlds cannot be brought along.
pub(super) fn script(grounds: &Grounds, cell: &Cell, path: &str) -> Option<Script> {
    let Grounds { shape, model, worlds, .. } = grounds;
    let tried = cell.tried.as_ref()?;
    if !worlds.replica {
        return None;
    }
    let tables = needed(grounds, cell)?;
    let mut body =
        vec![set_path(path), REPLICA.to_owned(), "-- Two tenants that are nobody's: A, and B whose rows must not be reached.".to_owned()];
    let mut hidden = Vec::new();
    for table in tables.iter().filter_map(|oid| shape.table(*oid)) {
        for world in [World::A, World::B] {
            let Some(row) = worlds.row(table.oid, world) else { continue };
            body.push(row_sql(grounds, table, world, row)?);
            hidden.extend(look_ups(grounds, table, world, row)?);
        }
    }
    body.push(ORIGIN.to_owned());
    match cell.context {
        Context::Fresh => body.push("-- The session must be new: nothing about a tenant was ever set on it.".to_owned()),
        context => body.push(context.sql(model, &cell.role)),
    }
    body.push(cell.context.label_sql(shape, model, worlds)?);
    let Tried { preparation, before, statement, answer, seen } = tried;
    let mut sent = [preparation, before, statement, answer].map(Clone::clone);
    hidden.retain(|(value, ..)| tried.holds(value));
    hidden.sort();
    hidden.dedup_by(|one, other| one.0 == other.0);
    for (n, (value, type_name, query)) in hidden.iter().enumerate() {
        let setting = format!("ledger.value{}", n + 1);
        let read = format!("pg_catalog.current_setting('{setting}')::{type_name}");
        sent = sent.map(|sql| sql.replace(value.as_str(), &read));
        body.push(remember(&setting, query));
    }
    let [preparation, before, statement, answer] = sent;
    body.push(preparation);
    if !before.is_empty() {
        body.push(remember("ledger.before", &format!("SELECT ({before})::pg_catalog.text")));
    }
    body.push(format!("SET LOCAL ROLE {}", identifier(cell.context.role(model, &cell.role))));
    if !statement.is_empty() {
        body.extend([statement, "SET CONSTRAINTS ALL IMMEDIATE".to_owned()]);
    }
    if !seen {
        body.push("RESET ROLE".to_owned());
    }
    body.push(format!("SELECT ({answer}) AS {ANSWER}"));
    body.retain(|line| !line.is_empty());
    let last = body.len() - 1;
    let end = |(n, line): (usize, &String)| match line.starts_with("--") {
        true => format!("{line}\n"),
        false if n == last => format!("{line}; -- expected 0\n"),
        false => format!("{line};\n"),
    };
    let role = "-- For psql, as a superuser, on the migrated database or a copy. Everything is rolled back.";
    Some(Script {
        head: format!("{}\n{role}\n", heading(cell, cell.cell.context.split_once(", ").map_or("", |(_, context)| context))),
        body: body.iter().enumerate().map(end).collect(),
    })
}

/// The table, what its rows refer to, what its policies look into, where the label stands, and so on for each of these.
fn needed(grounds: &Grounds, cell: &Cell) -> Option<BTreeSet<i64>> {
    let Grounds { shape, model, .. } = grounds;
    let tried = cell.tried.as_ref()?;
    // A view or a function is no table: what is asked of it names those behind it.
    let mut tables: BTreeSet<i64> = shape.tables.iter().filter(|table| table.sql == cell.cell.table).map(|table| table.oid).collect();
    if let Context::Labelled(n) = cell.context
        && let Some(Place::Row { table, .. }) = model.labels.get(n).map(|label| &label.place)
    {
        tables.insert(*table);
    }
    let mut words: BTreeSet<&str> =
        [&tried.preparation, &tried.statement, &tried.answer].into_iter().flat_map(|sql| words_of(sql)).collect();
    loop {
        let before = (tables.len(), words.len());
        let parents = shape.keys.iter().filter(|key| tables.contains(&key.child)).map(|key| key.parent);
        tables = tables.iter().copied().chain(parents).collect();
        let policies = shape.policies.iter().filter(|policy| tables.contains(&policy.table));
        words.extend(policies.flat_map(|policy| [&policy.using, &policy.check]).flatten().flat_map(|text| words_of(text)));
        for function in &shape.functions {
            if words.contains(bare(&function.name)) {
                words.extend(words_of(&function.body));
            }
        }
        tables.extend(shape.tables.iter().filter(|table| words.contains(table.name.as_str())).map(|table| table.oid));
        if before == (tables.len(), words.len()) {
            break;
        }
    }
    (tables.len() <= TABLES).then_some(tables)
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).filter(|word| !word.is_empty())
}

fn bare(function: &str) -> &str {
    function.rsplit('.').next().unwrap_or_default().trim_matches('"')
}

/// Whether a value of a world's row was made, or stands in the schema: then it is nobody's, and a script may hold it.
fn is_made(shape: &Shape, table: &Table, column: &Column, value: Option<&str>, made: &Row) -> bool {
    let Some(value) = value else { return true };
    column.base == "bool"
        || made.get(&column.number).is_some_and(|made| made.as_deref() == Some(value))
        || labels(shape, table, column).iter().any(|label| label == value)
}

fn made(grounds: &Grounds, table: &Table, world: World) -> Row {
    compose(&grounds.shape, &grounds.model, table, world, 0, None)
}

/// An INSERT of a world's row; what was taken from a row of the table is taken from one there.
fn row_sql(grounds: &Grounds, table: &Table, world: World, row: &Row) -> Option<String> {
    let made = made(grounds, table, world);
    let had_rows = grounds.worlds.had_rows.contains(&table.oid);
    let (mut columns, mut values, mut looks) = (Vec::new(), Vec::new(), false);
    for (number, value) in row {
        let column = table.column(*number)?;
        columns.push(column.sql.as_str());
        match had_rows && !is_made(&grounds.shape, table, column, value.as_deref(), &made) {
            true => {
                looks = true;
                values.push(format!("ledger_like.{}", column.sql));
            }
            false => values.push(literal(value.as_deref())),
        }
    }
    let (name, columns, values) = (&table.sql, columns.join(", "), values.join(", "));
    Some(match (columns.is_empty(), looks) {
        (true, _) => format!("INSERT INTO {name} DEFAULT VALUES"),
        (_, true) => format!(
            "INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE\n  SELECT {values}\n  FROM (SELECT * FROM {name} LIMIT 1) AS ledger_like ON CONFLICT DO NOTHING"
        ),
        (_, false) => format!("INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE\n  VALUES ({values}) ON CONFLICT DO NOTHING"),
    })
}

/// What of a world's row a statement may hold and a script may not: the literal, its type, and the query that finds it again.
fn look_ups(grounds: &Grounds, table: &Table, world: World, row: &Row) -> Option<Vec<(String, String, String)>> {
    if !grounds.worlds.had_rows.contains(&table.oid) {
        return Some(Vec::new());
    }
    let made = made(grounds, table, world);
    let own = |number: &i16, value: &Option<String>| {
        table.column(*number).is_some_and(|column| is_made(&grounds.shape, table, column, value.as_deref(), &made))
    };
    let known: Row = row.iter().filter(|(number, value)| own(number, value)).map(|(number, value)| (*number, value.clone())).collect();
    let taken: Vec<(&i16, &Option<String>)> = row.iter().filter(|(number, value)| !own(number, value)).collect();
    if !taken.is_empty() && known.is_empty() {
        return None;
    }
    let at = condition(table, &known);
    let look_up = |(number, value): (&i16, &Option<String>)| {
        let column = table.column(*number)?;
        let query = format!("SELECT {}::pg_catalog.text FROM {} WHERE {at}", column.sql, table.sql);
        Some((literal(Some(value.as_deref()?)), column.type_name.clone(), query))
    };
    Some(taken.into_iter().filter_map(look_up).collect())
}
