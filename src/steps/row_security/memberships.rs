//! A second membership: A's person made a member of another tenant as well, inside a transaction that is rolled back.
//!
//! 1. A membership is a row that ties a person to a tenant, in a table where policies look that up and which allows a person several.
//! 2. The other tenant is B, or a third one that is made for it with whatever its membership refers to.
//! 3. Everything else stands as the worlds have it.

use std::collections::{BTreeSet, VecDeque};

use super::hop;
use super::labels::{Label, Place, is_role_like};
use super::mend;
use super::model::{KeyClass, Model};
use super::seed::identifier;
use super::shape::{Column, Shape, Table};
use super::value::World;
use super::world::{REPLICA, Row, Worlds, compose, condition, insert_sql};
use crate::pg::{PgError, Session};

/// A table whose rows make persons members of tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) table: i64,
    persons: Vec<i16>,
    tenants: Vec<i16>,
}

/// Names of tables that make somebody a member, where no unique index says it.
const WORDS: [&str; 14] =
    ["member", "user", "role", "staff", "seat", "team", "access", "permission", "assign", "particip", "employ", "collab", "grant", "tenan"];

/// The memberships of a model; none where one role stands for each tenant.
pub(super) fn find(shape: &Shape, model: &Model, worlds: &Worlds) -> Vec<Membership> {
    if !model.tenant_roles.is_empty() {
        return Vec::new();
    }
    let (principals, words) = (model.principals(shape), hop::asked_words(shape));
    let tenant = model.tenant_class(shape).filter(|class| !model.of_people() && !principals.contains(class));
    let tenants: Vec<KeyClass> = tenant.into_iter().chain(model.groups.iter().cloned()).collect();
    let of = |table: &Table| {
        let columns = |classes: &[KeyClass]| -> Vec<i16> {
            let of = |c: &&Column| !c.generated && classes.contains(&model.class(table.oid, c.number));
            table.columns.iter().filter(of).map(|c| c.number).collect()
        };
        let (persons, tenants) = (columns(&principals), columns(&tenants));
        let both = [World::A, World::B].iter().all(|world| worlds.row(table.oid, *world).is_some());
        // One tenant a person, or one person a tenant: the rows are people or tenants, and no memberships.
        let single = |unique: &[i16]| unique.iter().all(|n| persons.contains(n)) || unique.iter().all(|n| tenants.contains(n));
        let mut uniques = table.uniques.iter().filter_map(|unique| unique.columns.as_deref());
        if persons.is_empty() || tenants.is_empty() || !both || uniques.any(single) {
            return None;
        }
        let role = |n: &i16| table.column(*n).is_some_and(|column| is_role_like(&column.name));
        let tied = |unique: &[i16]| {
            unique.iter().all(|n| persons.contains(n) || tenants.contains(n) || role(n)) && unique.iter().any(|n| persons.contains(n))
        };
        let named = WORDS.iter().any(|word| table.name.to_lowercase().contains(word));
        let tied = named || table.uniques.iter().filter_map(|unique| unique.columns.as_deref()).any(tied);
        tied.then_some(Membership { table: table.oid, persons, tenants })
    };
    let tables = shape.tables.iter().filter(|table| !table.partition && words.contains(table.name.as_str()));
    tables.filter_map(of).collect()
}

/// A's person in the other tenant.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// His rows there.
    rows: Vec<(i64, Row)>,
    /// What was sent for them and for the tenant, past triggers and keys.
    pub(super) sql: Vec<String>,
}

/// Makes A's person a member of the other tenant too, in the open transaction; the inner error says why he cannot be.
pub(super) async fn join(
    session: &Session,
    shape: &Shape,
    model: &Model,
    worlds: &Worlds,
    memberships: &[Membership],
    other: World,
) -> Result<Result<Joined, PgError>, PgError> {
    if worlds.replica {
        session.batch(REPLICA).await?;
    }
    let mut joined = Joined::default();
    if other == World::Stranger {
        for table in above(shape, model, memberships) {
            let like = worlds.row(table.oid, World::A);
            let row = compose(shape, model, table, other, 0, like);
            match mend::insert(session, shape, model, table, other, row, true).await? {
                Ok(row) => joined.sql.push(insert_sql(table, &row, "")),
                Err(error) => return Ok(Err(error)),
            }
        }
    }
    for membership in memberships {
        let (Some(table), Some(of_a)) = (shape.table(membership.table), worlds.row(membership.table, World::A)) else { continue };
        let row = row_in(shape, model, worlds, membership, table, of_a, other);
        match mend::insert(session, shape, model, table, other, row, true).await? {
            // What was mended may no longer say that this person is a member of that tenant.
            Ok(row) if membership.persons.iter().all(|n| row.get(n) == of_a.get(n)) && apart(membership, &row, of_a) => {
                joined.sql.push(insert_sql(table, &row, ""));
                joined.rows.push((table.oid, row));
            }
            Ok(_) => return Ok(Err(PgError::other(format!("no second row of a person's stands in {}", table.sql)))),
            Err(error) => return Ok(Err(error)),
        }
    }
    if worlds.replica {
        session.batch("SET LOCAL session_replication_role = origin").await?;
    }
    Ok(Ok(joined))
}

/// Whether two rows of a person's are of two tenants.
fn apart(membership: &Membership, row: &Row, of_a: &Row) -> bool {
    membership.tenants.iter().any(|n| row.get(n).is_some_and(|value| value.is_some() && Some(value) != of_a.get(n)))
}

/// The row that makes A's person a member of the other tenant, with the role that he has in A.
fn row_in(shape: &Shape, model: &Model, worlds: &Worlds, membership: &Membership, table: &Table, of_a: &Row, other: World) -> Row {
    let mut row = match worlds.row(table.oid, other) {
        Some(of_other) => {
            let fresh = compose(shape, model, table, other, 5, Some(of_other));
            let mut row = of_other.clone();
            for column in &table.columns {
                let number = column.number;
                if model.is_reference(table.oid, number) || membership.persons.contains(&number) {
                    continue;
                }
                let from = if table.is_unique_part(number) { &fresh } else { of_a };
                match from.get(&number) {
                    Some(value) => drop(row.insert(number, value.clone())),
                    None => drop(row.remove(&number)),
                }
            }
            row
        }
        None => compose(shape, model, table, other, 0, Some(of_a)),
    };
    for number in &membership.persons {
        row.insert(*number, of_a.get(number).cloned().flatten());
    }
    row
}

/// What the memberships refer to, but for the people, parents first.
fn above<'s>(shape: &'s Shape, model: &Model, memberships: &[Membership]) -> Vec<&'s Table> {
    let principals = model.principals(shape);
    let is_person = |oid: i64| principals.iter().any(|class| matches!(class, KeyClass::Column(of, _) if *of == oid));
    let mut queue: VecDeque<i64> = memberships.iter().map(|membership| membership.table).collect();
    let (mut found, own): (Vec<i64>, BTreeSet<i64>) = (Vec::new(), queue.iter().copied().collect());
    while let Some(at) = queue.pop_front() {
        let Some(table) = shape.table(at) else { continue };
        let by_key = shape.keys_of(at).map(|key| key.parent);
        let by_class = table.columns.iter().filter_map(|column| match model.class(at, column.number) {
            KeyClass::Column(oid, _) => Some(oid),
            KeyClass::Named(_) => None,
        });
        for parent in by_key.chain(by_class) {
            // A list of roles is everybody's; a person's own row is there already.
            if parent == at || own.contains(&parent) || is_person(parent) || shape.listed.contains_key(&parent) {
                continue;
            }
            found.retain(|oid| *oid != parent);
            found.push(parent);
            if found.len() <= 20 {
                queue.push_back(parent);
            }
        }
        if queue.len() > 100 {
            break;
        }
    }
    found.iter().rev().filter_map(|oid| shape.table(*oid)).collect()
}

/// The statements that end A's person's memberships of A; `None` where the session may not.
pub(super) fn leave(shape: &Shape, worlds: &Worlds, memberships: &[Membership]) -> Option<String> {
    let away = |membership: &Membership| {
        let table = shape.table(membership.table)?;
        worlds.away(shape, table, &worlds.locate(table, World::A)?)
    };
    memberships.iter().map(away).collect::<Option<Vec<_>>>().map(|statements| statements.join("; "))
}

/// The statements that give A's person a role in the other tenant alone, and a question that answers 1 if it is so; `None` where the label
/// is none of these memberships'.
pub(super) fn labelled(shape: &Shape, worlds: &Worlds, joined: &Joined, label: &Label) -> Option<(String, String)> {
    let Place::Row { table, sql, list, .. } = &label.place else { return None };
    let (table, row) = joined.rows.iter().find(|(oid, _)| oid == table).and_then(|(oid, row)| Some((shape.table(*oid)?, row)))?;
    let (at, at_a) = (condition(table, row), worlds.locate(table, World::A)?);
    let update = label.sql_at(shape, worlds, &at)?;
    let word = super::value::literal(Some(&label.label));
    let has = |at: &str| match list {
        None => format!("SELECT pg_catalog.count(*) FROM {} WHERE {at} AND {sql}::text = {word}", table.sql),
        Some(list) => format!(
            "SELECT pg_catalog.count(*) FROM {} AS {held} WHERE {at} AND {sql} IN (SELECT l.{} FROM {} AS l WHERE l.{}::text = {word})",
            table.sql,
            list.key,
            list.table,
            list.label,
            held = identifier("ledger held")
        ),
    };
    Some((update, format!("SELECT ({}) - ({})", has(&at), has(&at_a))))
}
