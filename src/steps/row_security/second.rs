//! A person who is a member of two tenants.
//!
//! 1. Of A and a third one: nothing of B's is his, and what he may do in A is what a plain member may, whatever he is over there.
//! 2. Of A and B: he sees what each membership alone shows him. A policy that expects one membership raises, or picks one.
//!
//! Only the tables whose policies look memberships up are asked: for the others nothing has changed.

use std::collections::BTreeSet;

use super::context::{self, Context};
use super::controls::Controls;
use super::matrix::{A_CONNECTION, Asked, Matrix, Tried};
use super::memberships::{self, Membership};
use super::model::{Meaning, Scope};
use super::probe::{Control, Probe};
use super::seed::{Rights, Seeded, client_path, rights, session};
use super::value::World;
use super::world::{ORIGIN, REPLICA, condition, insert_sql};
use crate::domain::SubjectRow;
use crate::domain::product::CellVerdict;
use crate::pg::{PgError, Session, Target};

/// What the four controls ask of a row of A.
const COMMANDS: [&str; 4] = ["SELECT in A", "INSERT in A", "UPDATE in A", "DELETE in A"];

/// What a member of A and B sees of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twice {
    pub table: String,
    pub role: String,
    pub seen: Seen,
}

/// One way in which it can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Both tenants' rows.
    Both,
    /// One tenant's at a time, whichever the session names.
    One,
    /// The statement raises, though it does not for a member of one.
    Raises(String),
    /// Rows are gone that a membership alone shows: whose.
    Lost(&'static str),
    /// Not found out, and why.
    Open(String),
}

impl Twice {
    /// What the check says of a table: the worst that any role came to.
    pub(super) fn subjects(all: &[Self]) -> Vec<SubjectRow> {
        let expected = "what each membership alone shows";
        let rank = |seen: &Seen| match seen {
            Seen::Raises(_) => 0,
            Seen::Lost(_) => 1,
            Seen::Open(_) => 2,
            Seen::One => 3,
            Seen::Both => 4,
        };
        let tables: BTreeSet<&String> = all.iter().map(|twice| &twice.table).collect();
        let worst = |table: &String| all.iter().filter(|twice| twice.table == *table).min_by_key(|twice| rank(&twice.seen));
        let told = |twice: &Self| {
            let as_role = format!("to a member of A and B as {}", twice.role);
            match &twice.seen {
                Seen::Both => SubjectRow::new(&twice.table, true, expected, "rows of both tenants"),
                Seen::One => SubjectRow::new(&twice.table, true, expected, "one tenant's rows at a time"),
                Seen::Raises(state) => SubjectRow::new(&twice.table, false, expected, format!("SELECT raises {state} {as_role}")),
                Seen::Lost(whose) => SubjectRow::new(&twice.table, false, expected, format!("{whose} row is not shown {as_role}")),
                Seen::Open(why) => SubjectRow::undecided(&twice.table, expected, why),
            }
        };
        tables.into_iter().filter_map(|table| worst(table).map(told)).collect()
    }
}

impl Matrix {
    /// Asks as a member of two tenants, with every role of the application.
    pub(super) async fn seconds(
        &mut self,
        target: &Target,
        asked: Asked<'_>,
        seeded: &[Seeded<'_>],
        controls: &Controls,
        say: &dyn Fn(&str),
    ) -> Result<(), PgError> {
        let Asked { shape, model, worlds, asking, .. } = asked;
        let memberships = memberships::find(shape, model, worlds);
        let identities: Vec<_> = model.lists.iter().filter(|list| is_of_tenants(asked, list)).collect();
        if memberships.is_empty() && identities.is_empty() {
            self.once = Some("no second membership: no table makes a person a member of several tenants".into());
            return Ok(());
        }
        // A list of tenants in the claims concerns whatever reads it.
        let concerned = match identities.is_empty() {
            true => asking.tables(shape, &[], memberships.iter().map(|membership| membership.table).collect()),
            false => seeded.iter().map(|ready| ready.table.oid).collect(),
        };
        for role in &model.roles {
            let admitted = |ready: &&Seeded<'_>| controls.plain(role, ready.table.oid).is_some_and(|c| c.contains(&Control::Admitted));
            let tables: Vec<&Seeded<'_>> = seeded
                .iter()
                .filter(|ready| concerned.contains(&ready.table.oid) && !self.stopped.contains(&ready.table.oid))
                .filter(admitted)
                .collect();
            if tables.is_empty() {
                continue;
            }
            let asked = Asked { role, ..asked };
            for part in tables.chunks(A_CONNECTION) {
                self.with_a_third(target, asked, seeded, part, &memberships, controls, say).await?;
                self.with_b(target, asked, part, &memberships, controls).await?;
            }
        }
        Ok(())
    }

    /// A member of A and of a third tenant.
    #[allow(clippy::too_many_arguments, reason = "what one connection is asked, and of what")]
    async fn with_a_third(
        &mut self,
        target: &Target,
        asked: Asked<'_>,
        seeded: &[Seeded<'_>],
        tables: &[&Seeded<'_>],
        memberships: &[Membership],
        controls: &Controls,
        say: &dyn Fn(&str),
    ) -> Result<(), PgError> {
        let Asked { shape, model, worlds, role, .. } = asked;
        let session = session(target).await?;
        client_path(&session, Context::Second.role(model, role)).await?;
        session.batch(&format!("{}; BEGIN", Context::Second.sql(model, role))).await?;
        let joined = match memberships::join(&session, shape, model, worlds, memberships, World::Stranger).await? {
            Ok(joined) => joined,
            Err(error) => {
                self.once = Some(format!("no second membership could be made: {error}"));
                session.batch("ROLLBACK").await?;
                return Ok(());
            }
        };
        let Ok(rights) = rights(&session, role, seeded).await else { return Ok(()) };
        let of = |oid: i64| rights.get(&oid).cloned().unwrap_or_default();
        let contexts = std::iter::once(Context::Second).chain((0..model.labels.len()).map(Context::SecondLabelled));
        for context in contexts {
            let shown = format!("{role}, {}", context.shown(model));
            let probe =
                Probe { session: &session, shape, model, worlds, role, shown: &shown, context, api_only: shape.api_only(role), seeded };
            let mut made = joined.sql.clone();
            if let Context::SecondLabelled(n) = context {
                let Some(label) = model.labels.get(n) else { continue };
                let Some((give, has)) = memberships::labelled(shape, worlds, &joined, label) else { continue };
                session.batch("SAVEPOINT label").await?;
                made.push(give.clone());
                match session.simple(&format!("{give}; {has}")).await {
                    Ok(answer) if super::world::numbers(&answer).last() == Some(&1) => {}
                    Err(error) if error.disconnected => return Err(error),
                    _ => {
                        session.batch("ROLLBACK TO label; RELEASE label").await?;
                        continue;
                    }
                }
            }
            for ready in tables {
                say(&format!("{} · {shown}", ready.table.sql));
                let Some(plain) = controls.plain(role, ready.table.oid) else { continue };
                let from = self.cells.len();
                self.twice(&probe, ready, &of(ready.table.oid), plain, controls).await?;
                self.joined_before(from, &made);
            }
            if context != Context::Second {
                session.batch("ROLLBACK TO label; RELEASE label").await?;
            }
        }
        session.batch("ROLLBACK").await?;
        Ok(())
    }

    /// Whoever shows the leaks again makes the second membership first.
    fn joined_before(&mut self, from: usize, made: &[String]) {
        for tried in self.cells.iter_mut().skip(from).filter_map(|cell| cell.tried.as_mut()) {
            let first = format!("{REPLICA};\n{};\n{ORIGIN}", made.join(";\n"));
            tried.preparation = if tried.preparation.is_empty() { first } else { format!("{first};\n{}", tried.preparation) };
        }
    }

    /// One table as a member of A and a third tenant.
    async fn twice(
        &mut self,
        probe: &Probe<'_>,
        ready: &Seeded<'_>,
        rights: &Rights,
        plain: &[Control; 4],
        controls: &Controls,
    ) -> Result<(), PgError> {
        let own = probe.controls(ready, rights).await?;
        if let (Control::Error(state), Control::Admitted) = (&own[0], &plain[0]) {
            let why = format!("refused with {state}, A's own as well: it works for nobody with two memberships");
            probe.cell(ready, "every command", CellVerdict::Denied, why, None, self);
            return Ok(());
        }
        let best = controls.best(probe.role, ready.table.oid);
        probe.select(ready, rights, &best[0], self).await?;
        probe.update_foreign(ready, rights, &best[2], self).await?;
        probe.delete_foreign(ready, rights, &best[3], self).await?;
        if probe.context == Context::Second {
            probe.insert_foreign(ready, rights, &best[1], self).await?;
            return Ok(());
        }
        // What a row of a person's own lets him do is his in every tenant; a new tenant is nobody's yet.
        if !probe.model.has_tenant(probe.shape, ready.table) || probe.model.is_of_person(probe.shape, ready.table, ready.scope) {
            return Ok(());
        }
        for (n, command) in COMMANDS.into_iter().enumerate().filter(|(n, _)| *n != 1 || *ready.scope != Scope::Anchor) {
            if plain[n] != Control::Refused {
                continue;
            }
            let (verdict, why) = match (&own[n], &best[n]) {
                (Control::Admitted, _) => {
                    (CellVerdict::Leak, "a role of another tenant counts in A: a plain member of A alone is refused (expected: refused)")
                }
                (Control::Refused, Control::Admitted) => (CellVerdict::Isolated, "refused; A's own of that or another role is admitted"),
                _ => continue,
            };
            let statement = match n {
                0 => format!("SELECT count(*) FROM {} WHERE <key of A's row>", ready.table.sql),
                1 => format!("INSERT INTO {} <a row of A>", ready.table.sql),
                2 => format!("UPDATE {} SET <its own values> WHERE <key of A's row>", ready.table.sql),
                _ => format!("DELETE FROM {} WHERE <key of A's row>", ready.table.sql),
            };
            probe.cell(ready, command, verdict, why, Some(statement), self);
            let name = &ready.table.sql;
            let tried = match n {
                0 => Some(Tried::sight(ready.table, &ready.at_a, "")),
                1 => probe.own_insert(ready).map(|(preparation, row)| {
                    let row = rights.given(row);
                    Tried::growth(ready.table, &condition(ready.table, &row), &preparation, &insert_sql(ready.table, &row, ""))
                }),
                2 => probe
                    .harmless_set(ready, rights, ready.a)
                    .map(|set| Tried::touch(ready.table, &ready.at_a, "", &format!("UPDATE {name} SET {set} WHERE {}", ready.at_a))),
                _ => Some(Tried::touch(ready.table, &ready.at_a, REPLICA, &format!("DELETE FROM {name} WHERE {}", ready.at_a))),
            };
            tried.into_iter().for_each(|tried| self.tried(tried));
        }
        Ok(())
    }

    /// A member of A and B: both rows with both memberships, and B's with that of B alone.
    async fn with_b(
        &mut self,
        target: &Target,
        asked: Asked<'_>,
        tables: &[&Seeded<'_>],
        memberships: &[Membership],
        controls: &Controls,
    ) -> Result<(), PgError> {
        let Asked { shape, model, worlds, role, .. } = asked;
        let tables: Vec<&&Seeded<'_>> = tables
            .iter()
            .filter(|ready| controls.plain(role, ready.table.oid).is_some_and(|control| control[0] == Control::Admitted))
            .collect();
        let session = session(target).await?;
        client_path(&session, Context::Member.role(model, role)).await?;
        session.batch(&format!("{}; BEGIN", Context::Member.sql(model, role))).await?;
        if let Err(error) = memberships::join(&session, shape, model, worlds, memberships, World::B).await? {
            self.once = Some(format!("no second membership could be made: {error}"));
            session.batch("ROLLBACK").await?;
            return Ok(());
        }
        session.batch(&context::identity_in(model, role, &[World::A, World::B])).await?;
        let mut both = Vec::new();
        for ready in &tables {
            both.push(look(&session, role, ready).await?);
        }
        let alone = match memberships::leave(shape, worlds, memberships) {
            Some(leave) => {
                session.batch("SAVEPOINT alone").await?;
                session.batch(&format!("{leave}; {}", context::identity_in(model, role, &[World::B]))).await.map(|()| true)
            }
            None => Ok(false),
        };
        let alone = match alone {
            Ok(left) => left,
            Err(error) if error.disconnected => return Err(error),
            Err(_) => {
                session.batch("ROLLBACK TO alone").await?;
                false
            }
        };
        for (ready, both) in tables.iter().zip(both) {
            let of_b = if alone { look(&session, role, ready).await?.ok().map(|(_, b)| b) } else { None };
            let seen = match (both, of_b) {
                (Err(state), _) => Seen::Raises(state),
                (Ok((0, _)), _) => Seen::Lost("A's"),
                (Ok((_, 0)), Some(1..)) => Seen::Lost("B's"),
                (Ok((_, 0)), None) => Seen::Open("A's row is shown; what a member of B alone sees cannot be asked".into()),
                (Ok((_, 0)), Some(0)) => Seen::One,
                (Ok(_), _) => Seen::Both,
            };
            self.twice.push(Twice { table: ready.table.sql.clone(), role: role.clone(), seen });
        }
        session.batch("ROLLBACK").await?;
        Ok(())
    }
}

/// How much of A's and B's row a role sees, or the SQLSTATE it is stopped with.
async fn look(session: &Session, role: &str, ready: &Seeded<'_>) -> Result<Result<(u64, u64), String>, PgError> {
    let name = &ready.table.sql;
    let sql = format!(
        "SAVEPOINT look; SET LOCAL ROLE {}; SELECT pg_catalog.count(*) FROM {name} WHERE {}; SELECT pg_catalog.count(*) FROM {name} WHERE {}; ROLLBACK TO look; RELEASE look",
        super::seed::identifier(role),
        ready.at_a,
        ready.at_b
    );
    match session.simple(&sql).await {
        Ok(answer) => {
            let numbers = super::world::numbers(&answer);
            Ok(Ok((numbers.first().copied().unwrap_or(0), numbers.get(1).copied().unwrap_or(0))))
        }
        Err(error) if error.disconnected && !error.is("57014") => Err(error),
        Err(error) => {
            session.batch("ROLLBACK TO look; RELEASE look").await?;
            Ok(Err(error.sqlstate.unwrap_or_else(|| "no SQLSTATE".into())))
        }
    }
}

/// Whether a source that holds a list holds tenants.
fn is_of_tenants(asked: Asked<'_>, list: &super::identity::Source) -> bool {
    let tenant = asked.model.tenant_class(asked.shape);
    let means = asked.model.sources.iter().find(|(source, _)| source == list).map(|(_, meaning)| meaning);
    matches!(means, Some(Meaning::Key(class)) if Some(class) == tenant.as_ref() || asked.model.groups.contains(class))
}
