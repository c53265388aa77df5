//! How a row is brought in that constraints refuse at first: each refusal is answered with other values, until it is admitted or
//! nothing is left to try.

use std::collections::BTreeMap;

use super::model::Model;
use super::shape::{Shape, Table};
use super::value::{self, World};
use super::world::{Row, insert_sql};
use crate::pg::{PgError, Session};

/// Attempts per row.
const ATTEMPTS: usize = 160;

/// What was tried so far.
#[derive(Default)]
struct Tried {
    rounds: BTreeMap<String, usize>,
    /// The CHECK whose values were changed last: an error of another kind (a value out of range) asks for its next ones.
    check: Option<String>,
}

/// Tries to write a row. `unlink`: a nullable link to a row that is not there yet is left out. The outer error ends the building.
pub(super) async fn insert(
    session: &Session,
    shape: &Shape,
    model: &Model,
    table: &Table,
    world: World,
    mut row: Row,
    unlink: bool,
) -> Result<Result<Row, PgError>, PgError> {
    let mut tried = Tried::default();
    let mut first: Option<PgError> = None;
    for _ in 0..ATTEMPTS {
        let sql = format!("SAVEPOINT row; {}; RELEASE row", insert_sql(table, &row, ""));
        let error = match session.batch(&sql).await {
            Ok(()) => return Ok(Ok(row)),
            Err(error) if error.disconnected && !error.is("57014") => return Err(error),
            Err(error) => error,
        };
        session.batch("ROLLBACK TO row; RELEASE row").await?;
        let asked = Asked { shape, model, table, world, unlink };
        if !asked.mend(&mut row, &error, &mut tried) {
            return Ok(Err(first.unwrap_or(error)));
        }
        first.get_or_insert(error);
    }
    Ok(Err(first.unwrap_or_else(|| PgError::other("its CHECK constraints could not be satisfied"))))
}

struct Asked<'a> {
    shape: &'a Shape,
    model: &'a Model,
    table: &'a Table,
    world: World,
    unlink: bool,
}

/// A partition reports its parent's columns and constraints under its own name.
fn inherited<'a>(shape: &'a Shape, table: &'a Table, object: &str) -> Option<&'a str> {
    let checks = table.checks.iter().map(|check| check.name.as_str());
    let columns = table.columns.iter().map(|column| column.name.as_str());
    let keys = shape.keys_of(table.oid).map(|key| key.name.as_str());
    let ends = |name: &&str| object.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    checks.chain(columns).chain(keys).filter(|_| table.partitioned).filter(ends).max_by_key(|name| name.len())
}

impl Asked<'_> {
    /// Changes the row in answer to an error; false when nothing is left to try.
    fn mend(&self, row: &mut Row, error: &PgError, tried: &mut Tried) -> bool {
        let table = self.table;
        let object = error.object.as_deref().unwrap_or_default();
        let own = object.strip_prefix(&format!("{}.{}.", table.schema, table.name));
        let part = own.or_else(|| inherited(self.shape, table, object)).unwrap_or_default();
        let state = error.sqlstate.as_deref().unwrap_or_default();
        match state {
            "23502" => {
                let Some(column) = table.column_named(part) else { return false };
                let Some(value) = value::plain(self.shape, table, column) else { return false };
                let once = tried.rounds.insert(format!("null {part}"), 1).is_none();
                row.insert(column.number, Some(value));
                once
            }
            "23514" if part.is_empty() && table.partitioned => false,
            "23514" => self.check(row, part, tried),
            "23505" | "23P01" => self.other_key(row, tried),
            "23503" if self.unlink => self.leave_out(row, part),
            "22001" => {
                let mut changed = false;
                for value in row.values_mut().flatten().filter(|value| value.len() > 4) {
                    value.truncate(value.char_indices().nth(value.chars().count() / 2).map_or(0, |(at, _)| at));
                    changed = true;
                }
                changed && tried.rounds.insert("length".into(), 1).is_none()
            }
            _ => match tried.check.clone() {
                Some(check) => self.check(row, &check, tried),
                None => self.plainer(row, tried),
            },
        }
    }

    /// The next values for the columns of a CHECK.
    fn check(&self, row: &mut Row, part: &str, tried: &mut Tried) -> bool {
        let table = self.table;
        let (mut columns, text): (Vec<i16>, String) = match table.checks.iter().find(|check| check.name == part) {
            Some(check) => (check.columns.clone().unwrap_or_default(), check.text.clone()),
            // A domain's CHECK names no column: the columns of domains, one after the other.
            None => {
                let domains: Vec<_> = table.columns.iter().filter(|column| !column.checks.is_empty()).collect();
                (domains.iter().map(|c| c.number).collect(), domains.iter().flat_map(|c| c.checks.clone()).collect::<Vec<_>>().join(" "))
            }
        };
        columns.retain(|n| table.column(*n).is_some_and(|column| !column.generated));
        // What makes the row its tenant's stays as it is longest.
        columns.sort_by_key(|n| (!self.model.is_reference(table.oid, *n), table.column(*n).is_some_and(|c| !c.not_null), *n));
        if columns.is_empty() {
            return false;
        }
        tried.check = Some(part.to_owned());
        let round = tried.rounds.entry(format!("check {part}")).and_modify(|n| *n += 1).or_insert(0);
        let mut round = *round;
        if columns.len() > 1 {
            // First of all: of several optional columns, one alone.
            if round == 0 {
                for (position, number) in columns.iter().enumerate() {
                    let Some(column) = table.column(*number) else { continue };
                    match (position, column.not_null) {
                        (0, _) => drop(row.insert(*number, self.values(column.number, &text, 1).into_iter().flatten().next())),
                        (_, false) => drop(row.insert(*number, None)),
                        _ => {}
                    }
                }
                return true;
            }
            round -= 1;
        }
        let limit = match columns.len() {
            1 => usize::MAX,
            2 => 10,
            _ => 5,
        };
        // The counter's digits are the columns' choices, the last column's turning fastest.
        let mut rest = round;
        for number in columns.iter().rev() {
            let values = self.values(*number, &text, limit);
            if values.is_empty() {
                continue;
            }
            row.insert(*number, values.get(rest % values.len()).cloned().flatten());
            rest /= values.len();
        }
        rest == 0
    }

    /// Candidates for a column in a CHECK: for a key the world's own value, a second one of the world, or none.
    fn values(&self, number: i16, check: &str, limit: usize) -> Vec<Option<String>> {
        let Some(column) = self.table.column(number) else { return Vec::new() };
        let class = self.model.class(self.table.oid, number);
        let mut values = match self.model.is_reference(self.table.oid, number) || self.table.key().contains(&number) {
            true => {
                let mut values: Vec<_> =
                    [0, 1].iter().map(|fresh| Some(self.model.key(&class, Some(column), self.world, *fresh))).collect();
                if !column.not_null {
                    values.push(None);
                }
                if !self.model.is_reference(self.table.oid, number) {
                    let seed = u64::from(self.world == World::B) * 1_000 + 11;
                    values.extend(value::alternatives(column, check, seed).into_iter().filter(Option::is_some));
                }
                values
            }
            false => {
                let seed = if self.table.is_unique_part(number) { u64::from(self.world == World::B) * 1_000 + 11 } else { 7 };
                value::alternatives(column, check, seed)
            }
        };
        values.truncate(limit);
        values
    }

    /// Another value for the columns of a unique index that refer to nothing.
    fn other_key(&self, row: &mut Row, tried: &mut Tried) -> bool {
        let round = tried.rounds.entry("unique".into()).and_modify(|n| *n += 1).or_insert(1);
        if *round > 12 {
            return false;
        }
        let fresh = *round as u64 + 2;
        let mut changed = false;
        for column in self.table.columns.iter().filter(|c| self.table.is_unique_part(c.number) && !c.generated) {
            if self.model.is_reference(self.table.oid, column.number) || self.table.key() == [column.number] {
                continue;
            }
            let labels = value::labels(self.shape, self.table, column);
            let value = match labels.is_empty() || column.base == "bool" {
                true if column.base == "bool" => (*round % 2 == 1).to_string(),
                true => self.model.key(&self.model.class(self.table.oid, column.number), Some(column), self.world, fresh),
                false => labels.get(*round % labels.len()).cloned().unwrap_or_default(),
            };
            row.insert(column.number, Some(value));
            changed = true;
        }
        changed
    }

    /// Leaves out the nullable columns of a foreign key.
    fn leave_out(&self, row: &mut Row, name: &str) -> bool {
        let Some(key) = self.shape.keys.iter().find(|key| key.child == self.table.oid && key.name == name) else { return false };
        let mut changed = false;
        for number in key.columns.iter().filter(|n| self.table.column(**n).is_some_and(|c| !c.not_null)) {
            changed |= row.insert(*number, None).is_some_and(|old| old.is_some());
        }
        changed
    }

    /// Once, after an error that names nothing: optional values are left out.
    fn plainer(&self, row: &mut Row, tried: &mut Tried) -> bool {
        let keep = |n: &i16| {
            self.model.is_reference(self.table.oid, *n)
                || self.table.is_unique_part(*n)
                || self.table.column(*n).is_none_or(|column| column.not_null && !column.default)
        };
        let before = row.len();
        row.retain(|n, _| keep(n));
        row.len() < before && tried.rounds.insert("plainer".into(), 1).is_none()
    }
}
