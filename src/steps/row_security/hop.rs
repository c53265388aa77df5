//! The second look: what a session reaches after a write to its own rows that was admitted.
//!
//! Whoever may change the row that makes it a member (its profile's tenant, its membership's label) hops in two steps: the first
//! write stays within A, the next read does not. Tried on every table from which policies or functions learn who a session is.

use std::collections::BTreeSet;

use super::labels::is_role_like;
use super::matrix::{Matrix, Tried};
use super::model::KeyClass;
use super::probe::{Probe, names, shown_insert};
use super::seed::{Rights, Seeded};
use super::shape::Shape;
use super::value::{self, World, literal};
use super::world::{REPLICA, compose, insert_sql};
use crate::domain::product::CellVerdict;
use crate::pg::PgError;

/// Tables that are looked at after a write, and how many of them at once.
const LOOKED_AT: usize = 240;
const AT_ONCE: usize = 20;

/// The words of function bodies and of subqueries in policies: a table that is not among them decides about nobody.
pub(super) fn words(shape: &Shape) -> BTreeSet<&str> {
    let split = |text| str::split(text, |c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
    let bodies = shape.functions.iter().map(|function| function.body.as_str());
    let policies = shape.policies.iter().flat_map(|policy| [policy.using.as_deref(), policy.check.as_deref()]).flatten();
    bodies.chain(policies.filter(|text| text.contains("SELECT"))).flat_map(split).collect()
}

/// The words of what policies look at: their own subqueries, and the bodies of functions that they call, and those call.
pub(super) fn asked_words(shape: &Shape) -> BTreeSet<&str> {
    let split = |text| str::split(text, |c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
    let policies = || shape.policies.iter().flat_map(|policy| [policy.using.as_deref(), policy.check.as_deref()]).flatten();
    let mut words: BTreeSet<&str> = policies().filter(|text| text.contains("SELECT")).flat_map(split).collect();
    let mut called: BTreeSet<&str> = policies().flat_map(split).collect();
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    for _ in 0..4 {
        let before = taken.len();
        for function in &shape.functions {
            let bare = function.name.rsplit('.').next().unwrap_or_default().trim_matches('"');
            if called.contains(bare) && taken.insert(bare) {
                words.extend(split(&function.body));
                called.extend(split(&function.body));
            }
        }
        if taken.len() == before {
            break;
        }
    }
    words
}

impl Probe<'_> {
    /// Every write to a member's own row that could make it another's member, and then the look.
    pub(super) async fn hop(
        &self,
        ready: &Seeded<'_>,
        rights: &Rights,
        looked: &[&Seeded<'_>],
        matrix: &mut Matrix,
    ) -> Result<(), PgError> {
        if looked.is_empty() || !(rights.update || rights.insert) {
            return Ok(());
        }
        let (mut tried, mut admitted) = (Vec::new(), 0);
        for (write, shown) in self.writes(ready, rights) {
            let mut answered = false;
            for some in looked.iter().take(LOOKED_AT).collect::<Vec<_>>().chunks(AT_ONCE) {
                let counts: Vec<String> = some
                    .iter()
                    .map(|other| format!("(SELECT pg_catalog.count(*) FROM {} WHERE {})", other.table.sql, other.at_b))
                    .collect();
                let statement = format!("{write}; SELECT {}", counts.join(", "));
                let Ok(numbers) = self.attempt("", &statement, "SELECT 0").await? else { continue };
                answered = true;
                let reached: Vec<&&&Seeded<'_>> = some.iter().zip(&numbers).filter(|(_, n)| **n > 0).map(|(other, _)| other).collect();
                if let Some(other) = reached.first() {
                    let first = &other.table.sql;
                    let more = if reached.len() > 1 { format!(" and {} more", reached.len() - 1) } else { String::new() };
                    let why = format!("after a write to its own row the same session reads B's row in {first}{more}");
                    let shown = format!("{shown}; SELECT count(*) FROM {first} WHERE <key of B's row>");
                    self.cell(ready, "two-step hop", CellVerdict::Leak, why, Some(shown), matrix);
                    matrix.tried(Tried::sight(other.table, &other.at_b, &write));
                    return Ok(());
                }
            }
            if answered {
                admitted += 1;
                tried.push(shown);
            }
        }
        if admitted > 0 {
            let why = format!("{admitted} writes to its own row admitted; none opens a row of B");
            self.cell(ready, "two-step hop", CellVerdict::Isolated, why, Some(tried.join("; ")), matrix);
        }
        Ok(())
    }

    /// Somebody who belongs to nobody yet writes the one row that says whose he is, and says B's: then the look.
    pub(super) async fn arrival(
        &self,
        ready: &Seeded<'_>,
        rights: &Rights,
        closed: &[&Seeded<'_>],
        matrix: &mut Matrix,
    ) -> Result<(), PgError> {
        let (table, principals) = (ready.table, self.model.principals(self.shape));
        let class = |number: i16| self.model.class(table.oid, number);
        let once = |columns: &Vec<i16>| !columns.is_empty() && columns.iter().all(|n| principals.contains(&class(*n)));
        if !rights.insert || !table.uniques.iter().filter_map(|unique| unique.columns.as_ref()).any(once) {
            return Ok(());
        }
        let tenant = self.model.tenant_class(self.shape).filter(|class| !principals.contains(class));
        let of_b = table.columns.iter().map(|column| column.number).filter(|n| {
            let class = class(*n);
            Some(&class) == tenant.as_ref() || self.model.groups.contains(&class)
        });
        let of_b: Vec<i16> = of_b.filter(|n| ready.b.get(n).is_some_and(Option::is_some) && !table.key().contains(n)).collect();
        if of_b.is_empty() {
            return Ok(());
        }
        let mut row = compose(self.shape, self.model, table, World::Stranger, 0, Some(ready.b));
        row.extend(of_b.iter().map(|n| (*n, ready.b.get(n).cloned().flatten())));
        let row = rights.given(row);
        // The person himself is known, as one that has just registered.
        let persons = principals.iter().filter_map(|class| match class {
            KeyClass::Column(oid, _) if *oid != table.oid => self.shape.table(*oid),
            _ => None,
        });
        let made: String = persons
            .map(|person| {
                insert_sql(person, &compose(self.shape, self.model, person, World::Stranger, 0, None), " ON CONFLICT DO NOTHING") + "; "
            })
            .collect();
        let preparation = match self.worlds.replica {
            true => format!("{REPLICA}; {made}SET LOCAL session_replication_role = origin"),
            false => made,
        };
        let looked: Vec<&&Seeded<'_>> = closed.iter().take(AT_ONCE).collect();
        let counts: Vec<String> =
            looked.iter().map(|other| format!("(SELECT pg_catalog.count(*) FROM {} WHERE {})", other.table.sql, other.at_b)).collect();
        let statement = format!("{}; SELECT {}", insert_sql(table, &row, ""), counts.join(", "));
        let Ok(numbers) = self.attempt(&preparation, &statement, "SELECT 0").await? else { return Ok(()) };
        let reached = looked.iter().zip(&numbers).find(|(_, n)| **n > 0);
        let what = format!("a row of its own, {} = <B's>", names(table, &of_b));
        let shown = shown_insert(table, &row, &what);
        let (verdict, why, shown) = match reached {
            Some((other, _)) => (
                CellVerdict::Leak,
                format!("whoever has no row here yet writes one that names B, and then reads B's row in {}", other.table.sql),
                format!("{shown}; SELECT count(*) FROM {} WHERE <key of B's row>", other.table.sql),
            ),
            None => (CellVerdict::Isolated, "its first row may name B; it opens no row of B".to_owned(), shown),
        };
        self.cell(ready, "two-step hop", verdict, why, Some(shown), matrix);
        Ok(())
    }

    /// The writes to try, and how each is shown.
    fn writes(&self, ready: &Seeded<'_>, rights: &Rights) -> Vec<(String, String)> {
        let table = ready.table;
        let principals = self.model.principals(self.shape);
        let of_a_person = table.columns.iter().any(|column| principals.contains(&self.model.class(table.oid, column.number)));
        let mut writes = Vec::new();
        for column in table.columns.iter().filter(|column| !column.generated) {
            let labelled = of_a_person && is_role_like(&column.name);
            let mut values: Vec<(String, String)> = Vec::new();
            if column.base == "bool" && value::is_privileged(&column.name) {
                values.push(("true".into(), "true".into()));
            } else if labelled {
                let labels = value::labels(self.shape, table, column);
                values.extend(labels.into_iter().take(8).map(|label| (label.clone(), literal(Some(&label)))));
            } else if self.model.is_reference(table.oid, column.number) && (rights.insert || !table.key().contains(&column.number)) {
                values.extend(ready.b.get(&column.number).cloned().flatten().map(|key| (key, "<B's>".to_owned())));
            }
            for (text, shown) in values {
                let set = format!("{} = {}", column.sql, literal(Some(&text)));
                if rights.update && rights.updatable.contains(&column.number) && (labelled || !table.key().contains(&column.number)) {
                    writes.push((
                        format!("UPDATE {} SET {set} WHERE {}", table.sql, ready.at_a),
                        format!("UPDATE {} SET {} = {shown} WHERE <key of A's row>", table.sql, column.sql),
                    ));
                }
                // A row of its own that names something of B's: a share, a seat.
                if rights.insert && !labelled && column.base != "bool" && !principals.contains(&self.model.class(table.oid, column.number))
                {
                    let mut row = self.own_elsewhere(ready);
                    row.insert(column.number, Some(text.clone()));
                    let row = rights.given(row);
                    let what = format!("a row of A, {} = <B's>", names(table, &[column.number]));
                    writes.push((insert_sql(table, &row, ""), shown_insert(table, &row, &what)));
                }
                if rights.insert
                    && labelled
                    && let Some((_, mut row)) = self.own_insert(ready)
                {
                    row.insert(column.number, Some(text.clone()));
                    let row = rights.given(row);
                    let what = format!("a row of A, {} = {shown}", names(table, &[column.number]));
                    writes.push((insert_sql(table, &row, ""), shown_insert(table, &row, &what)));
                }
            }
        }
        writes
    }
}
