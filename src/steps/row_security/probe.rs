//! How one cell is tried: the statement in a savepoint, the truth behind it, the positive controls.

use tokio_postgres::SimpleQueryMessage;

use super::context::Context;
use super::matrix::{CELL_TIMEOUT_MS, Matrix};
use super::model::{Model, Scope, names_column};
use super::openings::between_two;
use super::seed::{Rights, Seeded, identifier};
use super::shape::{Shape, Table};
use super::value::{World, literal};
use super::world::{REPLICA, Row, Worlds, compose, condition, insert_sql};
use crate::domain::product::CellVerdict;
use crate::pg::{PgError, Session};

/// What the session's own row answered: the positive control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Admitted,
    /// Silently nothing, or 42501.
    Refused,
    Error(String),
    /// Not tried, and why.
    NotTried(&'static str),
}

pub(super) struct Probe<'a> {
    pub(super) session: &'a Session,
    pub(super) shape: &'a Shape,
    pub(super) model: &'a Model,
    pub(super) worlds: &'a Worlds,
    /// The role that statements are sent as.
    pub(super) role: &'a str,
    /// Role and context as cells show them.
    pub(super) shown: &'a str,
    pub(super) context: Context,
    /// The role is reached through PostgREST alone.
    pub(super) api_only: bool,
    /// Every table with rows of both worlds: where a second look may look.
    pub(super) seeded: &'a [Seeded<'a>],
}

/// An attempt: the numbers of its answer (the statement's, then the truth's), or the error that stopped it.
pub(super) type Attempt = Result<Vec<u64>, PgError>;

impl Probe<'_> {
    /// One cell's statement, rolled back. The outer error is a lost connection.
    pub(super) async fn attempt(&self, preparation: &str, statement: &str, truth: &str) -> Result<Attempt, PgError> {
        let sql = format!(
            "SAVEPOINT cell; {preparation}; SET LOCAL ROLE {}; {statement}; SET CONSTRAINTS ALL IMMEDIATE; RESET ROLE; {truth}; ROLLBACK TO cell; RELEASE cell",
            identifier(self.role)
        );
        match self.session.simple(&sql).await {
            Ok(answer) => {
                let mut numbers = Vec::new();
                for message in &answer {
                    if let SimpleQueryMessage::Row(row) = message {
                        numbers.extend((0..row.len()).map(|i| row.get(i).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)));
                    }
                }
                Ok(Ok(numbers))
            }
            // A cancelled statement (57014) leaves the connection alive.
            Err(error) if error.disconnected && !error.is("57014") => Err(error),
            Err(error) => {
                self.session.batch("ROLLBACK TO cell; RELEASE cell").await?;
                Ok(Err(error))
            }
        }
    }

    /// An attempt that errors of triggers and references do not end: past them it is tried again, for it is the policy that is asked.
    /// The second value: the SQLSTATE that ended the first attempt, if there was a second.
    pub(super) async fn past_triggers(
        &self,
        preparation: &str,
        statement: &str,
        truth: &str,
    ) -> Result<(Attempt, Option<String>), PgError> {
        let first = self.attempt(preparation, statement, truth).await?;
        match &first {
            Err(error) if self.worlds.replica && error.sqlstate.as_deref().is_some_and(of_a_trigger) => {
                let preparation = if preparation.is_empty() { REPLICA.to_owned() } else { format!("{preparation}; {REPLICA}") };
                let state = error.sqlstate.clone();
                Ok((self.attempt(&preparation, statement, truth).await?, state))
            }
            _ => Ok((first, None)),
        }
    }

    /// The positive controls of a table: SELECT, INSERT, UPDATE, DELETE of the member's own row.
    pub(super) async fn controls(&self, ready: &Seeded<'_>, rights: &Rights) -> Result<[Control; 4], PgError> {
        let name = &ready.table.sql;
        let mut controls = [(); 4].map(|()| Control::NotTried("no privilege"));
        if rights.select {
            let seen = self.attempt("", &format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", ready.at_a), "SELECT 0").await?;
            controls[0] = control(seen, |numbers| numbers.first() == Some(&1), &[]);
        }
        if matches!(&controls[0], Control::Error(state) if state == "57014") {
            return Ok(controls);
        }
        if rights.insert {
            controls[1] = match self.own_insert(ready) {
                Some((preparation, row)) => {
                    let row = rights.given(row);
                    let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", stored(ready, &row));
                    // A constraint is checked after the policy: an own row that reaches one was admitted.
                    let (done, _) = self.past_triggers(&preparation, &insert_sql(ready.table, &row, ""), &truth).await?;
                    control(done, |n| n.last() == Some(&1), &["23"])
                }
                None => Control::NotTried("no second row of A can be made"),
            };
        }
        if rights.update
            && let Some(set) = self.harmless_set(ready, rights, ready.a)
        {
            let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND ctid = '{}'", ready.at_a, ready.ctid_a);
            let (done, _) = self.past_triggers("", &format!("UPDATE {name} SET {set} WHERE {}", ready.at_a), &truth).await?;
            controls[2] = control(done, |n| n.last() == Some(&0), &["23"]);
        }
        if rights.delete {
            let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", ready.at_a);
            let (done, _) = self.past_triggers("", &format!("DELETE FROM {name} WHERE {}", ready.at_a), &truth).await?;
            controls[3] = control(done, |n| n.last() == Some(&0), &["23"]);
        }
        Ok(controls)
    }

    /// A further row of A: with fresh keys where the table has any of its own, else the row itself after it was taken away.
    pub(super) fn own_insert(&self, ready: &Seeded<'_>) -> Option<(String, Row)> {
        self.insertable(ready, World::A, ready.a, &ready.at_a)
    }

    /// A row like A's with fresh values in what identifies nothing else: alone in its keys once it names something of B's.
    pub(super) fn own_elsewhere(&self, ready: &Seeded<'_>) -> Row {
        self.renewed(ready, World::A, ready.a).1
    }

    pub(super) fn insertable(&self, ready: &Seeded<'_>, world: World, like: &Row, at: &str) -> Option<(String, Row)> {
        let (mut renewed, row) = self.renewed(ready, world, like);
        // A tenant under another key is another tenant: the row itself, taken away first.
        renewed &= *ready.scope != Scope::Anchor;
        match renewed {
            true => Some((String::new(), row)),
            false => self.worlds.away(self.shape, ready.table, at).map(|preparation| (preparation, like.clone())),
        }
    }

    /// A row with fresh keys where the table has any of its own, and whether no key of it is taken.
    fn renewed(&self, ready: &Seeded<'_>, world: World, like: &Row) -> (bool, Row) {
        let fresh = compose(self.shape, self.model, ready.table, world, 1, Some(like));
        let mut row = like.clone();
        let mut renewed = true;
        for unique in ready.table.uniques.iter().filter_map(|unique| unique.columns.as_ref()) {
            let mut any = unique.iter().any(|n| row.get(n).is_some_and(Option::is_none));
            for number in unique.iter().filter(|n| !self.model.is_reference(ready.table.oid, **n)) {
                if let Some(value) = fresh.get(number).filter(|value| value.is_some() && like.get(number) != Some(value)) {
                    row.insert(*number, value.clone());
                    any = true;
                }
            }
            renewed &= any;
        }
        (renewed, row)
    }

    /// Whether an admitted write that puts a row of A's beside something of B's is meant to be possible, and the session sees no more of
    /// B's afterwards than before; in words.
    pub(super) async fn meant(
        &self,
        ready: &Seeded<'_>,
        columns: &[i16],
        letter: &str,
        statement: &str,
    ) -> Result<Option<String>, PgError> {
        let Some(parents) = between_two(self.shape, self.model, ready.table, columns, self.role, letter) else { return Ok(None) };
        let counts: Vec<String> = self
            .seeded
            .iter()
            .filter(|other| other.table.oid != ready.table.oid)
            .map(|other| format!("SELECT pg_catalog.count(*) FROM {} WHERE {}", other.table.sql, other.at_b))
            .collect();
        // Tables that the role may not read answer nothing, before as after.
        let mut readable = Vec::new();
        for count in counts {
            if self.attempt("", &count, "SELECT 0").await?.is_ok() {
                readable.push(count);
            }
        }
        let look = readable.join("; ");
        let Ok(numbers) = self.attempt("", &format!("{look}; {statement}; {look}"), "SELECT 0").await? else { return Ok(None) };
        let (before, after) = (numbers.iter().take(readable.len()), numbers.iter().skip(readable.len()));
        let same = before.zip(after).all(|(before, after)| after <= before);
        Ok(same.then(|| format!("it refers to B's row of {}, which is shown to everybody, and opens nothing more", parents.join(", "))))
    }

    /// Whether an admitted write that names B's person shares a row of A's rather than passing it off as B's: no policy of the command asks
    /// for that person, the column is none by which a row has its author, and the row is A's to see afterwards; in words.
    pub(super) async fn shared(
        &self,
        ready: &Seeded<'_>,
        columns: &[i16],
        letter: &str,
        statement: &str,
        row: &Row,
    ) -> Result<Option<String>, PgError> {
        let [number] = columns else { return Ok(None) };
        let Some(column) = ready.table.column(*number) else { return Ok(None) };
        let principals = self.model.principals(self.shape);
        // A row that is there once for a thing and a person makes the person one of the thing's, and says nothing of who made it.
        let joins = |columns: &Vec<i16>| {
            columns.len() > 1 && columns.contains(number) && columns.iter().all(|n| self.model.is_reference(ready.table.oid, *n))
        };
        let joins = ready.table.uniques.iter().filter_map(|unique| unique.columns.as_ref()).any(joins);
        if !principals.contains(&self.model.class(ready.table.oid, *number)) || is_of_an_author(&column.name) && !joins {
            return Ok(None);
        }
        let mut policies = self.shape.policies_of(ready.table.oid).filter(|p| p.permissive && (p.command == letter || p.command == "*"));
        let asks = |text: &Option<String>| text.as_deref().is_some_and(|text| names_column(text, &column.sql));
        if policies.any(|policy| asks(&policy.using) || asks(&policy.check)) {
            return Ok(None);
        }
        let look = format!("SELECT pg_catalog.count(*) FROM {} WHERE {}", ready.table.sql, condition(ready.table, row));
        let kept =
            matches!(self.attempt("", &format!("{statement}; {look}"), "SELECT 0").await?, Ok(n) if n.first().is_some_and(|n| *n > 0));
        Ok(kept.then(|| format!("A shares a row of its own: {} names B's person, and the row stays A's", column.sql)))
    }

    /// `column = its own value`: an update that changes nothing but touches the row.
    pub(super) fn harmless_set(&self, ready: &Seeded<'_>, rights: &Rights, row: &Row) -> Option<String> {
        let table = ready.table;
        let mut candidates: Vec<i16> = table
            .columns
            .iter()
            .filter(|column| !column.generated && rights.updatable.contains(&column.number) && row.contains_key(&column.number))
            .map(|column| column.number)
            .collect();
        candidates.sort_by_key(|n| (table.key().contains(n), table.is_unique_part(*n), self.model.is_reference(table.oid, *n), *n));
        let column = table.column(*candidates.first()?)?;
        Some(format!("{} = {}", column.sql, literal(row.get(&column.number)?.as_deref())))
    }

    pub(super) fn cell(
        &self,
        ready: &Seeded<'_>,
        command: &str,
        verdict: CellVerdict,
        why: impl Into<String>,
        statement: Option<String>,
        matrix: &mut Matrix,
    ) {
        matrix.push(ready.table, command, self.role, self.shown, self.context, verdict, why.into(), statement);
    }
}

/// Whether a person's column says who made or owns the row, rather than whom it is shown or given to.
fn is_of_an_author(column: &str) -> bool {
    let lower = column.to_lowercase();
    ["author", "sender", "from", "owner", "creat", "upload", "poster", "writer", "user_id", "userid", "member_id", "profile_id"]
        .iter()
        .any(|word| lower.contains(word))
        || lower.ends_with("_by")
}

/// Errors that a trigger's body, a rule of the table or a reference may have raised, rather than a policy: tried again without them, they
/// show whose they were. A refusal, a cancelled statement, a lock and a recursion are nobody else's.
fn of_a_trigger(state: &str) -> bool {
    !["42501", "42P17", "57014", "55P03", "40P01"].contains(&state)
}

/// What RAISE of a trigger gives: P0001, or a SQLSTATE that the server itself never uses.
pub(super) fn raised(state: &str) -> bool {
    state.starts_with("P0")
        || state.chars().next().is_some_and(|c| matches!(c, '6'..='9' | 'A'..='E' | 'G' | 'I'..='O' | 'Q'..='W' | 'Y' | 'Z'))
}

/// A condition for the row that was just written, and not for those it looks like: a key that the role may not give is the default's.
pub(super) fn stored(ready: &Seeded<'_>, row: &Row) -> String {
    let is = condition(ready.table, row);
    match ready.table.key().iter().all(|n| row.contains_key(n)) {
        true => is,
        false => format!("{is} AND ctid <> '{}' AND ctid <> '{}'", ready.ctid_a, ready.ctid_b),
    }
}

/// An INSERT as it was tried, its values replaced by a word.
pub(super) fn shown_insert(table: &Table, row: &Row, values: &str) -> String {
    let columns: Vec<i16> = row.keys().copied().collect();
    format!("INSERT INTO {} ({}) VALUES (<{values}>)", table.sql, names(table, &columns))
}

pub(super) fn names(table: &Table, columns: &[i16]) -> String {
    columns.iter().filter_map(|n| table.column(*n)).map(|column| column.sql.clone()).collect::<Vec<_>>().join(", ")
}

pub(super) fn control(attempt: Attempt, admitted: impl Fn(&[u64]) -> bool, reached: &[&str]) -> Control {
    match attempt {
        Ok(numbers) if admitted(&numbers) => Control::Admitted,
        Ok(_) => Control::Refused,
        Err(error) => match error.sqlstate.as_deref() {
            Some("42501") => Control::Refused,
            Some(state) if reached.iter().any(|class| state.starts_with(class)) => Control::Admitted,
            state => Control::Error(state.unwrap_or("no SQLSTATE").to_owned()),
        },
    }
}

/// Nothing happened, without an error.
pub(super) fn quiet(control: &Control, what: &str) -> (CellVerdict, String) {
    match control {
        Control::Admitted => (CellVerdict::Isolated, format!("{what}; A's own is admitted")),
        Control::Refused => (CellVerdict::Denied, format!("{what}; A's own is refused as well")),
        Control::Error(state) => (CellVerdict::Undecided, format!("{what}, but A's own raises {state}: no positive control")),
        Control::NotTried(why) => (CellVerdict::Undecided, format!("{what}, but there is no positive control: {why}")),
    }
}

/// An error stopped the statement.
pub(super) fn refused(error: &PgError, control: &Control, command: &str) -> (CellVerdict, String) {
    let state = error.sqlstate.as_deref().unwrap_or("no SQLSTATE");
    match (state, control) {
        ("57014", _) => (CellVerdict::Undecided, format!("{command} took longer than {CELL_TIMEOUT_MS} ms (57014)")),
        ("55P03" | "40P01", _) => (CellVerdict::Undecided, format!("{command} waited for a lock ({state})")),
        ("42P17", _) => (CellVerdict::Undecided, "the policy recurses (42P17): the table works for nobody".into()),
        (state, _) if state.starts_with("23") => {
            (CellVerdict::Undecided, format!("the policy let it pass; a constraint stopped it ({state})"))
        }
        // The role is refused everything in the same way; whether that is a denial or a prober not understood, other roles show.
        (state, Control::Error(own)) if own == state => (CellVerdict::Denied, format!("refused with {state}, as A's own is")),
        (state, control) => quiet(control, &format!("refused with {state}")),
    }
}
