//! Two worlds: a row in every table for tenant A and one for tenant B, committed in the scratch copy.
//!
//! 1. Every key is a function of what it identifies and of the world, so cycles and composite keys agree without an order.
//! 2. The rest of a row looks like a row that is there already, else it is made by type, hints and CHECKs; a refused CHECK is
//!    answered with other values.
//! 3. Under `session_replication_role = replica` where the role may, so that no trigger and no foreign key stands in the way; else
//!    in passes, parents first by trial.
//! 4. What was written is counted: a table without its two rows is not seeded, and says why.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::SimpleQueryMessage;

pub use super::compose::{Row, compose, condition, insert_sql};
use super::mend;
use super::model::{KeyClass, Model, Scope};
use super::openings;
use super::seed::identifier;
use super::shape::{Shape, Table};
use super::value::{World, literal};
use crate::pg::{PgError, Session};

/// What could be built.
#[derive(Debug, Default)]
pub struct Worlds {
    rows: BTreeMap<(i64, World), Row>,
    /// Why a table has no row, by oid.
    pub unseeded: BTreeMap<i64, String>,
    /// Tables that had rows before: what of the worlds' rows was not made looks like one of them.
    pub had_rows: BTreeSet<i64>,
    /// Whether triggers and foreign keys were off while building (and may be switched off for a probe's preparation).
    pub replica: bool,
    /// Without replica mode: tables whose rows can be taken away all the same, by whoever owns them and what refers to them.
    removable: BTreeSet<i64>,
}

impl Worlds {
    /// The statements that take a row away for the length of a cell, past triggers and foreign keys; `None`: the session may not.
    pub fn away(&self, shape: &Shape, table: &Table, at: &str) -> Option<String> {
        match self.replica {
            true => Some(format!("{REPLICA}; DELETE FROM {} WHERE {at}; SET LOCAL session_replication_role = origin", table.sql)),
            false => self.removable.contains(&table.oid).then(|| past_keys(shape, table, at)),
        }
    }

    /// Tries for every table with rows whether they can be taken away; nothing of it stays.
    async fn find_removable(&mut self, session: &Session, shape: &Shape) -> Result<(), PgError> {
        let tables: BTreeSet<i64> = self.rows.keys().map(|(oid, _)| *oid).collect();
        for table in tables.iter().filter_map(|oid| shape.table(*oid)) {
            let Some(at) = self.locate(table, World::B) else { continue };
            session.batch("BEGIN").await?;
            let tried = session.batch(&past_keys(shape, table, &at)).await;
            session.batch("ROLLBACK").await?;
            match tried {
                Ok(()) => drop(self.removable.insert(table.oid)),
                Err(error) if error.disconnected => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// The row of a world in a table.
    pub fn row(&self, table: i64, world: World) -> Option<&Row> {
        self.rows.get(&(table, world))
    }

    /// Builds and commits both worlds. The session must bypass row security.
    pub async fn build(session: &Session, shape: &Shape, model: &Model, seed: Option<&str>) -> Result<Self, PgError> {
        let replica = session.batch("SET session_replication_role = replica").await.is_ok();
        let mut worlds = Self { replica, ..Self::default() };
        session.batch("BEGIN").await?;
        let quieted = if replica { Vec::new() } else { quiet_triggers(session, shape).await? };
        let mut open: Vec<(&Table, World)> =
            shape.tables.iter().filter(|t| !t.partition).flat_map(|table| [(table, World::A), (table, World::B)]).collect();
        let mut templates: BTreeMap<i64, Row> = BTreeMap::new();
        let mut later: Vec<(i64, World, Row)> = Vec::new();
        let mut give_up = replica;
        loop {
            let before = open.len();
            let mut waiting = Vec::new();
            for (table, world) in open {
                if let std::collections::btree_map::Entry::Vacant(vacant) = templates.entry(table.oid) {
                    let template = template(session, table).await?;
                    if !template.is_empty() {
                        worlds.had_rows.insert(table.oid);
                    }
                    vacant.insert(template);
                }
                let first = compose(shape, model, table, world, 0, templates.get(&table.oid));
                let whole = first.clone();
                match mend::insert(session, shape, model, table, world, first, give_up).await? {
                    Ok(row) => {
                        worlds.unseeded.remove(&table.oid);
                        let dropped: Row = whole
                            .into_iter()
                            .filter(|(n, value)| {
                                value.is_some() && row.get(n).is_some_and(Option::is_none) && model.is_reference(table.oid, *n)
                            })
                            .collect();
                        if !dropped.is_empty() && !replica {
                            later.push((table.oid, world, dropped));
                        }
                        worlds.rows.insert((table.oid, world), row);
                    }
                    Err(error) => match if error.is("23505") { adopt(session, table, &whole).await? } else { None } {
                        Some(row) => drop(worlds.rows.insert((table.oid, world), row)),
                        None => {
                            worlds.unseeded.insert(table.oid, format!("no row could be made: {error}"));
                            waiting.push((table, world));
                        }
                    },
                }
            }
            // Without replica mode a child waits for its parents; another pass helps only if the last one did, and where a cycle of
            // keys is left, a nullable link of it is set afterwards.
            if waiting.is_empty() || waiting.len() == before && give_up {
                break;
            }
            give_up |= waiting.len() == before;
            if replica {
                break;
            }
            open = waiting;
        }
        for (oid, world, dropped) in later {
            worlds.link(session, shape, oid, world, dropped).await?;
        }
        if let Some(seed) = seed {
            worlds.complete(session, shape, model, seed).await?;
        }
        worlds.close(session, shape, model).await?;
        worlds.open(session, shape, model).await?;
        for table in quieted {
            session.batch(&format!("ALTER TABLE {table} ENABLE TRIGGER USER")).await?;
        }
        session.batch("COMMIT").await?;
        if worlds.replica {
            session.batch("SET session_replication_role = origin").await?;
        }
        worlds.count(session, shape).await?;
        if !worlds.replica {
            worlds.find_removable(session, shape).await?;
        }
        Ok(worlds)
    }

    /// Sets the links of a row that had to wait; what a constraint refuses stays NULL.
    async fn link(&mut self, session: &Session, shape: &Shape, oid: i64, world: World, links: Row) -> Result<(), PgError> {
        let Some((table, at)) = shape.table(oid).and_then(|table| Some((table, self.locate(table, world)?))) else { return Ok(()) };
        for (number, value) in links {
            let Some(column) = table.column(number) else { continue };
            let set =
                format!("SAVEPOINT link; UPDATE {} SET {} = {} WHERE {at}; RELEASE link", table.sql, column.sql, literal(value.as_deref()));
            match session.batch(&set).await {
                Ok(()) => drop(self.rows.get_mut(&(oid, world)).map(|row| row.insert(number, value))),
                Err(error) if error.disconnected => return Err(error),
                Err(_) => session.batch("ROLLBACK TO link; RELEASE link").await?,
            }
        }
        Ok(())
    }

    /// Runs the SQL of ledger.toml for both tenants and takes for their rows what it wrote where none could be made.
    async fn complete(&mut self, session: &Session, shape: &Shape, model: &Model, seed: &str) -> Result<(), PgError> {
        let key = |class: Option<KeyClass>, world| class.map(|class| model.key(&class, None, world, 0));
        for (world, letter) in [(World::A, "a"), (World::B, "b")] {
            let person = key(model.principals(shape).into_iter().next(), world);
            let settings = [("tenant", key(model.tenant_class(shape), world)), ("person", person), ("world", Some(letter.to_owned()))];
            let set: String = settings
                .iter()
                .filter_map(|(name, value)| Some(format!("SET LOCAL ledger.{name} = {}; ", literal(Some(value.as_ref()?)))))
                .collect();
            // What is wrong with it is said of every table that it was to complete.
            match session.batch(&format!("SAVEPOINT seed; {set}{seed}; RELEASE seed")).await {
                Ok(()) => {}
                Err(error) if error.disconnected => return Err(error),
                Err(error) => {
                    session.batch("ROLLBACK TO seed; RELEASE seed").await?;
                    for why in self.unseeded.values_mut() {
                        why.push_str(&format!("; [tenancy] seed was refused: {error}"));
                    }
                    return Ok(());
                }
            }
            let open: Vec<&Table> = self.unseeded.keys().filter_map(|oid| shape.table(*oid)).collect();
            for table in open {
                if self.rows.contains_key(&(table.oid, world)) {
                    continue;
                }
                let composed = compose(shape, model, table, world, 0, None);
                let scope = model.tables.iter().find(|scoped| scoped.oid == table.oid).map(|scoped| &scoped.scope);
                let numbers: Vec<i16> = match scope {
                    Some(Scope::Path { columns, .. }) => columns.clone(),
                    Some(Scope::Anchor) => table.key().to_vec(),
                    _ => continue,
                };
                let whose: Row = composed.into_iter().filter(|(number, _)| numbers.contains(number)).collect();
                if let Some(row) = found(session, table, &whose).await? {
                    self.rows.insert((table.oid, world), row);
                }
            }
        }
        let complete = |oid: &i64| [World::A, World::B].iter().all(|world| self.rows.contains_key(&(*oid, *world)));
        self.unseeded.retain(|oid, _| !complete(oid));
        Ok(())
    }

    /// Closes what policies show to everybody by design, so that the rows are their tenants' alone. Twice: a row may be open through another's.
    async fn close(&mut self, session: &Session, shape: &Shape, model: &Model) -> Result<(), PgError> {
        for opening in model.openings.iter().chain(&model.openings) {
            let Some(table) = shape.table(opening.table) else { continue };
            for world in [World::A, World::B] {
                let Some(at) = self.locate(table, world) else { continue };
                for (number, value) in openings::closings(shape, model, table, opening) {
                    let Some(column) = table.column(number) else { continue };
                    let (update, open) = openings::try_sql(table, &at, opening, column, value.as_deref());
                    match session.simple(&format!("SAVEPOINT close; {open}; {update}; {open}")).await {
                        Ok(answer) => {
                            let counts = numbers(&answer);
                            let closed = counts.first() == Some(&1) && counts.last() == Some(&0);
                            let end = if closed { "RELEASE close" } else { "ROLLBACK TO close; RELEASE close" };
                            session.batch(end).await?;
                            if closed {
                                self.rows.entry((table.oid, world)).and_modify(|row| drop(row.insert(number, value)));
                            }
                            if closed || counts.first() == Some(&0) {
                                break;
                            }
                        }
                        Err(error) if error.disconnected && !error.is("57014") => return Err(error),
                        Err(_) => session.batch("ROLLBACK TO close; RELEASE close").await?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts rows where a policy lets them through whoever asks, so that the probe sees what it lets through.
    async fn open(&mut self, session: &Session, shape: &Shape, model: &Model) -> Result<(), PgError> {
        for (oid, gap) in openings::gaps(shape, model) {
            let Some(table) = shape.table(oid) else { continue };
            for world in [World::A, World::B] {
                let Some(at) = self.locate(table, world) else { continue };
                if let Some(way) = put_through(session, shape, model, table, &at, &gap).await? {
                    self.rows.entry((table.oid, world)).and_modify(|row| row.extend(way));
                }
            }
        }
        Ok(())
    }

    /// Every row that was written must be found by its key; a trigger may have changed it.
    async fn count(&mut self, session: &Session, shape: &Shape) -> Result<(), PgError> {
        let mut lost = Vec::new();
        for (oid, world) in self.rows.keys() {
            let Some(table) = shape.table(*oid) else { continue };
            let Some(at) = self.locate(table, *world) else { continue };
            let found = match session.simple(&format!("SELECT pg_catalog.count(*) FROM {} WHERE {at}", table.sql)).await {
                Ok(answer) => number(&answer, 0),
                Err(_) => None,
            };
            if found != Some(1) {
                lost.push((*oid, *world, found));
            }
        }
        for (oid, world, found) in lost {
            self.rows.remove(&(oid, world));
            self.unseeded.insert(oid, format!("the row written is not found again by its key ({} rows)", found.unwrap_or(0)));
        }
        Ok(())
    }

    /// A condition that is true for the world's row alone.
    pub fn locate(&self, table: &Table, world: World) -> Option<String> {
        self.rows.get(&(table.oid, world)).map(|row| condition(table, row))
    }
}

/// Changes a row so that a condition on it lets it through, if it does not already; what was changed.
pub(super) async fn put_through(
    session: &Session,
    shape: &Shape,
    model: &Model,
    table: &Table,
    at: &str,
    gap: &str,
) -> Result<Option<Vec<(i16, Option<String>)>>, PgError> {
    let count = format!("SELECT pg_catalog.count(*) FROM {} WHERE {at} AND ({gap})", table.sql);
    for way in std::iter::once(Vec::new()).chain(openings::ways_through(shape, model, table, gap)) {
        let sets: Vec<String> =
            way.iter().filter_map(|(n, value)| Some(format!("{} = {}", table.column(*n)?.sql, literal(value.as_deref())))).collect();
        let update = match sets.is_empty() {
            true => String::new(),
            false => format!("UPDATE {} SET {} WHERE {at}; ", table.sql, sets.join(", ")),
        };
        let through = match session.simple(&format!("SAVEPOINT open; {update}{count}")).await {
            Ok(answer) => numbers(&answer).last() == Some(&1),
            Err(error) if error.disconnected && !error.is("57014") => return Err(error),
            Err(_) => false,
        };
        session.batch(if through { "RELEASE open" } else { "ROLLBACK TO open; RELEASE open" }).await?;
        if through {
            return Ok(Some(way));
        }
    }
    Ok(None)
}

/// Until the end of the (sub)transaction neither triggers nor foreign keys fire.
pub const REPLICA: &str = "SET LOCAL session_replication_role = replica";
/// They do again.
pub const ORIGIN: &str = "SET LOCAL session_replication_role = origin";

/// Takes a row away as the owner of the table and of those that refer to it: the keys go first, until the cell is rolled back.
fn past_keys(shape: &Shape, table: &Table, at: &str) -> String {
    let keys = shape.keys.iter().filter(|key| key.parent == table.oid).filter_map(|key| Some((shape.table(key.child)?, &key.name)));
    let mut sql: String =
        keys.map(|(child, name)| format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}; ", child.sql, identifier(name))).collect();
    let delete = format!("DELETE FROM {} WHERE {at}", table.sql);
    sql.push_str(&match table.triggers {
        true => format!("ALTER TABLE {0} DISABLE TRIGGER USER; {delete}; ALTER TABLE {0} ENABLE TRIGGER USER", table.sql),
        false => delete,
    });
    sql
}

/// Switches off the triggers of tables that are the role's own, where replica mode is not to be had; which ones.
async fn quiet_triggers(session: &Session, shape: &Shape) -> Result<Vec<String>, PgError> {
    let mut quieted = Vec::new();
    for table in shape.tables.iter().filter(|table| table.triggers) {
        match session.batch(&format!("SAVEPOINT quiet; ALTER TABLE {} DISABLE TRIGGER USER; RELEASE quiet", table.sql)).await {
            Ok(()) => quieted.push(table.sql.clone()),
            Err(error) if error.disconnected => return Err(error),
            Err(_) => session.batch("ROLLBACK TO quiet; RELEASE quiet").await?,
        }
    }
    Ok(quieted)
}

/// An existing row as text, so that a made row looks like those that are there. Never recorded.
async fn template(session: &Session, table: &Table) -> Result<Row, PgError> {
    let columns: Vec<_> = table.columns.iter().filter(|column| !column.generated).collect();
    if columns.is_empty() {
        return Ok(Row::new());
    }
    let list: Vec<&str> = columns.iter().map(|column| column.sql.as_str()).collect();
    let answer =
        match session.simple(&format!("SAVEPOINT template; SELECT {} FROM {} LIMIT 1; RELEASE template", list.join(", "), table.sql)).await
        {
            Ok(answer) => answer,
            Err(error) if error.disconnected => return Err(error),
            Err(_) => {
                session.batch("ROLLBACK TO template; RELEASE template").await?;
                return Ok(Row::new());
            }
        };
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(columns.iter().enumerate().map(|(i, c)| (c.number, row.get(i).map(str::to_owned))).collect()),
        _ => None,
    });
    Ok(row.unwrap_or_default())
}

/// The row that is there already under the same key, where a world's key is one that exists (tenants that are roles, partitions).
async fn adopt(session: &Session, table: &Table, row: &Row) -> Result<Option<Row>, PgError> {
    let key = table.key();
    if key.is_empty() || !key.iter().all(|n| row.get(n).is_some_and(Option::is_some)) {
        return Ok(None);
    }
    found(session, table, row).await
}

/// The first row that has these values.
async fn found(session: &Session, table: &Table, row: &Row) -> Result<Option<Row>, PgError> {
    let columns: Vec<_> = table.columns.iter().filter(|column| !column.generated).collect();
    let list: Vec<&str> = columns.iter().map(|column| column.sql.as_str()).collect();
    let sql = format!("SELECT {} FROM {} WHERE {} LIMIT 1", list.join(", "), table.sql, condition(table, row));
    let answer = session.simple(&sql).await?;
    Ok(answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(columns.iter().enumerate().map(|(i, c)| (c.number, row.get(i).map(str::to_owned))).collect()),
        _ => None,
    }))
}

/// The first column of every row, as numbers.
pub(super) fn numbers(answer: &[SimpleQueryMessage]) -> Vec<u64> {
    let first = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).and_then(|text| text.parse().ok()),
        _ => None,
    };
    answer.iter().filter_map(first).collect()
}

/// The number in a column of the first row.
pub fn number(answer: &[SimpleQueryMessage], column: usize) -> Option<u64> {
    answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(column).and_then(|text| text.parse().ok()),
        _ => None,
    })
}
