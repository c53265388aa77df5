//! The commands of the matrix that change, move and take over rows.

use super::context::identity_sql;
use super::matrix::{BLIND_BYTES, Matrix, Tried};
use super::model::Scope;
use super::probe::{Attempt, Control, Probe, names, quiet, raised, refused, shown_insert};
use super::seed::{Rights, Seeded, identifier, scope_condition};
use super::value::{World, literal};
use super::world::{REPLICA, Row, insert_sql};
use crate::domain::product::CellVerdict;
use crate::pg::PgError;

/// An UPDATE without a WHERE, as it was sent.
struct Blind {
    attempt: Attempt,
    /// Whether every other row was taken away before.
    alone: bool,
    preparation: String,
    statement: String,
}

impl Probe<'_> {
    pub(super) async fn update_foreign(
        &self,
        ready: &Seeded<'_>,
        rights: &Rights,
        control: &Control,
        matrix: &mut Matrix,
    ) -> Result<(), PgError> {
        const COMMAND: &str = "UPDATE foreign";
        let name = &ready.table.sql;
        let Some(set) = rights.update.then(|| self.harmless_set(ready, rights, ready.b)).flatten() else {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        };
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND ctid = '{}'", ready.at_b, ready.ctid_b);
        let touched = |attempt: &Attempt| matches!(attempt, Ok(numbers) if numbers.last() == Some(&0));
        let at_key = format!("UPDATE {name} SET {set} WHERE {}", ready.at_b);
        let (keyed, past) = self.past_triggers("", &at_key, &truth).await?;
        let mut tried = Tried::touch(ready.table, &ready.at_b, "", &at_key);
        let column = set.split(" = ").next().unwrap_or_default();
        let mut shown = format!("UPDATE {name} SET {column} = <its own value> WHERE <key of B's row>");
        let mut hit = touched(&keyed);
        if !hit && self.worlds.replica && ready.bytes <= BLIND_BYTES {
            // Without a WHERE no SELECT policy has a say.
            let everywhere = format!("UPDATE {name} SET {set}");
            let blind = self.attempt(REPLICA, &everywhere, &truth).await?;
            hit = touched(&blind);
            tried = Tried::touch(ready.table, &ready.at_b, REPLICA, &everywhere);
            let whole = format!("UPDATE {name} SET {column} = <its own value>");
            shown = if hit { whole } else { format!("{shown}; {whole}") };
        }
        let mut took = false;
        if !hit && self.worlds.replica && ready.bytes <= BLIND_BYTES {
            // A narrow WITH CHECK refuses B's row as it is, but not once it is A's: a wide USING gives it away. Of a row of two parties, one
            // of them is enough; at last it is made A's in everything.
            let key = ready.table.key();
            let (columns, others) = match ready.scope {
                Scope::Path { columns, .. } => (columns.as_slice(), self.model.parties(self.shape, ready.table)),
                _ => (key, Vec::new()),
            };
            let others = others.into_iter().filter(|n| !columns.contains(n) && !key.contains(n));
            let given = |n: &i16| rights.updatable.contains(n) && ready.table.column(*n).is_some_and(|column| !column.generated);
            let all: Vec<i16> = ready.a.keys().copied().filter(given).collect();
            for columns in std::iter::once(columns.to_vec()).chain(others.map(|n| vec![n])).chain([all]) {
                if columns.is_empty() || !columns.iter().all(|n| rights.updatable.contains(n)) || took {
                    continue;
                }
                let claim = self.blind(ready, &self.sets_sql(ready, ready.a, &columns), &ready.at_b, &truth).await?;
                took = touched(&claim.attempt);
                tried = Tried::touch(ready.table, &ready.at_b, &claim.preparation, &claim.statement);
                let whole = format!("UPDATE {name} SET ({}) = <A's>", names(ready.table, &columns));
                shown = if took { whole } else { format!("{shown}; {whole}") };
            }
        }
        let (verdict, why) = match (hit, keyed) {
            _ if took => (CellVerdict::Leak, "B's row became A's (expected: untouched)".into()),
            (true, _) if past.is_some() => (CellVerdict::Isolated, "no policy keeps B's row, but a trigger or a constraint does".into()),
            (true, _) => (CellVerdict::Leak, "B's row was changed (expected: untouched)".into()),
            (false, Ok(_)) => quiet(control, "B's row is untouched"),
            (false, Err(error)) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(shown), matrix);
        matrix.tried(tried);
        Ok(())
    }

    pub(super) async fn delete_foreign(
        &self,
        ready: &Seeded<'_>,
        rights: &Rights,
        control: &Control,
        matrix: &mut Matrix,
    ) -> Result<(), PgError> {
        const COMMAND: &str = "DELETE foreign";
        let name = &ready.table.sql;
        if !rights.delete {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", ready.at_b);
        let gone = |attempt: &Attempt| match attempt {
            Ok(numbers) => numbers.last() == Some(&0),
            // The row was reached; only what refers to it held it.
            Err(error) => error.is("23503") || error.is("23001"),
        };
        let first = self.attempt("", &format!("DELETE FROM {name} WHERE {}", ready.at_b), &truth).await?;
        let (keyed, past) = match gone(&first) {
            // A reference that holds B's row shows that it was reached.
            true => (first, None),
            false => self.past_triggers("", &format!("DELETE FROM {name} WHERE {}", ready.at_b), &truth).await?,
        };
        let mut shown = format!("DELETE FROM {name} WHERE <key of B's row>");
        let (mut hit, mut blind) = (gone(&keyed), false);
        if !hit && self.worlds.replica && ready.bytes <= BLIND_BYTES {
            hit = gone(&self.attempt(REPLICA, &format!("DELETE FROM {name}"), &truth).await?);
            blind = true;
            let whole = format!("DELETE FROM {name}");
            shown = if hit { whole } else { format!("{shown}; {whole}") };
        }
        let (verdict, why) = match (hit, keyed) {
            (true, _) if past.is_some() => (CellVerdict::Isolated, "no policy keeps B's row, but a trigger or a constraint does".into()),
            (true, _) => (CellVerdict::Leak, "B's row was deleted (expected: untouched)".into()),
            (false, Ok(_)) => quiet(control, "B's row is untouched"),
            (false, Err(error)) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(shown), matrix);
        // What still refers to the row is no matter here.
        let delete = if blind { format!("DELETE FROM {name}") } else { format!("DELETE FROM {name} WHERE {}", ready.at_b) };
        matrix.tried(Tried::touch(ready.table, &ready.at_b, if self.worlds.replica { REPLICA } else { "" }, &delete));
        Ok(())
    }

    /// A's row handed to B: first its tenant column alone, then, if a foreign key holds it, everything it refers to.
    pub(super) async fn move_own(
        &self,
        ready: &Seeded<'_>,
        rights: &Rights,
        control: &Control,
        matrix: &mut Matrix,
    ) -> Result<(), PgError> {
        const COMMAND: &str = "move own to B";
        let (name, Scope::Path { columns, .. }) = (&ready.table.sql, ready.scope) else { return Ok(()) };
        if !rights.update || !columns.iter().all(|n| rights.updatable.contains(n)) {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let Some(scope_b) = scope_condition(ready.table, ready.scope, ready.b) else {
            self.cell(ready, COMMAND, CellVerdict::Undecided, "B's row has no value in its tenant column", None, matrix);
            return Ok(());
        };
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {scope_b}");
        let references: Vec<i16> = ready
            .b
            .keys()
            .copied()
            .filter(|n| columns.contains(n) || self.model.is_reference(ready.table.oid, *n) && rights.updatable.contains(n))
            .collect();
        let (mut preparation, mut sent) = (String::new(), self.move_sql(ready, columns));
        let mut attempt = self.attempt("", &sent, &truth).await?;
        let mut expected = ready.with_b + 1;
        if matches!(&attempt, Err(error) if error.is("23503")) {
            sent = self.move_sql(ready, &references);
            attempt = self.attempt("", &sent, &truth).await?;
        }
        if matches!(&attempt, Err(error) if error.is("23505"))
            && let Some(away) = self.worlds.away(self.shape, ready.table, &ready.at_b)
        {
            sent = self.move_sql(ready, columns);
            attempt = self.attempt(&away, &sent, &truth).await?;
            expected = ready.with_b.max(1);
            preparation = away;
        }
        let became = |attempt: &Attempt, expected: u64| matches!(attempt, Ok(numbers) if numbers.last().is_some_and(|n| *n >= expected));
        let mut shown = format!("UPDATE {name} SET {} = <B's> WHERE <key of A's row>", names(ready.table, columns));
        let mut hit = became(&attempt, expected);
        if !hit && self.worlds.replica && ready.bytes <= BLIND_BYTES {
            // With a WHERE the new row must also pass the SELECT policies, which hides a missing WITH CHECK.
            let blind = self.blind(ready, &self.sets_sql(ready, ready.b, columns), &ready.at_a, &truth).await?;
            hit = became(&blind.attempt, if blind.alone { 1 } else { ready.with_b + 1 });
            (preparation, sent) = (blind.preparation, blind.statement);
            let whole = format!("UPDATE {name} SET {} = <B's>", names(ready.table, columns));
            shown = if hit { whole } else { format!("{shown}; {whole}") };
        }
        // Past the triggers a policy lets it through, but in the session's own way one of them stops it.
        let stopped = matches!(&attempt, Err(error) if error.sqlstate.as_deref().is_some_and(raised));
        let meant = match hit && !stopped {
            true => {
                let statement = self.move_sql(ready, columns);
                let mut row = ready.a.clone();
                row.extend(columns.iter().map(|n| (*n, ready.b.get(n).cloned().flatten())));
                match self.meant(ready, columns, "w", &statement).await? {
                    None => self.shared(ready, columns, "w", &statement, &row).await?,
                    meant => meant,
                }
            }
            false => None,
        };
        let (verdict, why) = match attempt {
            Err(error) if hit && stopped => {
                let state = error.sqlstate.unwrap_or_default();
                (CellVerdict::Isolated, format!("no policy keeps A's row, but a trigger does ({state})"))
            }
            _ if hit => match meant {
                Some(why) => (CellVerdict::Isolated, why),
                None => (CellVerdict::Leak, "A's row became B's (expected: refused)".into()),
            },
            Ok(_) => quiet(control, "A's row stayed A's"),
            Err(error) if error.sqlstate.as_deref().is_some_and(|state| state.starts_with("23") || state.starts_with("P0")) => {
                (CellVerdict::Isolated, format!("stopped by a constraint or a trigger ({})", error.sqlstate.unwrap_or_default()))
            }
            Err(error) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(shown), matrix);
        matrix.tried(Tried::growth(ready.table, &scope_b, &preparation, &sent));
        Ok(())
    }

    /// An UPDATE that reads no column and so asks no SELECT policy, past triggers. Where a key stops it that only one row can have, it is
    /// tried on the row alone: the session need not have a row of its own yet.
    async fn blind(&self, ready: &Seeded<'_>, sets: &str, at: &str, truth: &str) -> Result<Blind, PgError> {
        let statement = format!("UPDATE {} SET {sets}", ready.table.sql);
        let attempt = self.attempt(REPLICA, &statement, truth).await?;
        match (&attempt, self.worlds.away(self.shape, ready.table, &format!("({at}) IS NOT TRUE"))) {
            (Err(error), Some(others)) if error.is("23505") => {
                let preparation = format!("{others}; {REPLICA}");
                let attempt = self.attempt(&preparation, &statement, truth).await?;
                Ok(Blind { attempt, alone: true, preparation, statement })
            }
            _ => Ok(Blind { attempt, alone: false, preparation: REPLICA.to_owned(), statement }),
        }
    }

    pub(super) fn move_sql(&self, ready: &Seeded<'_>, columns: &[i16]) -> String {
        format!("UPDATE {} SET {} WHERE {}", ready.table.sql, self.sets_sql(ready, ready.b, columns), ready.at_a)
    }

    /// `column = value, …` with the values of a row.
    fn sets_sql(&self, ready: &Seeded<'_>, like: &Row, columns: &[i16]) -> String {
        let sets: Vec<String> = columns
            .iter()
            .filter_map(|n| Some(format!("{} = {}", ready.table.column(*n)?.sql, literal(like.get(n)?.as_deref()))))
            .collect();
        sets.join(", ")
    }

    /// A's row made nobody's. A leak if B can see it then.
    pub(super) async fn move_to_nobody(
        &self,
        ready: &Seeded<'_>,
        rights: &Rights,
        control: &Control,
        matrix: &mut Matrix,
    ) -> Result<(), PgError> {
        const COMMAND: &str = "move own to NULL";
        let (name, Scope::Path { columns, .. }) = (&ready.table.sql, ready.scope) else { return Ok(()) };
        let Some(column) = columns.first().and_then(|n| ready.table.column(*n)) else { return Ok(()) };
        if column.not_null || ready.table.key().contains(&column.number) {
            return Ok(());
        }
        if !rights.update || !rights.updatable.contains(&column.number) {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let as_b = format!(
            "RESET ROLE; {}; SET LOCAL ROLE {}",
            identity_sql(self.model, self.role, World::B, true),
            identifier(self.model.role_in(self.role, World::B))
        );
        let look = format!("{as_b}; SELECT pg_catalog.count(*) FROM {name} WHERE {}", ready.at_a);
        let statement = format!("UPDATE {name} SET {} = NULL WHERE {}; {look}", column.sql, ready.at_a);
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND {} IS NULL", ready.at_a, column.sql);
        let (verdict, why) = match self.attempt("", &statement, &truth).await? {
            Ok(numbers) if numbers.last() == Some(&1) && numbers.first() != Some(&0) => {
                (CellVerdict::Leak, "A's row lost its tenant and B reads it".into())
            }
            Ok(numbers) if numbers.last() == Some(&1) => (CellVerdict::Isolated, "A may give its row up; B does not read it then".into()),
            Ok(_) => quiet(control, "A's row kept its tenant"),
            Err(error) if error.sqlstate.as_deref().is_some_and(|state| state.starts_with("23") || state.starts_with("P0")) => {
                (CellVerdict::Isolated, format!("stopped by a constraint or a trigger ({})", error.sqlstate.unwrap_or_default()))
            }
            Err(error) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(format!("UPDATE {name} SET {} = NULL WHERE <key of A's row>", column.sql)), matrix);
        let to_b = format!("UPDATE {name} SET {} = NULL WHERE {}; {as_b}", column.sql, ready.at_a);
        matrix.tried(Tried::sight(ready.table, &ready.at_a, &to_b));
        Ok(())
    }

    /// A row of A under the key of B's row: does ON CONFLICT DO UPDATE take B's row over?
    pub(super) async fn upsert(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        const COMMAND: &str = "upsert";
        let (name, key) = (&ready.table.sql, ready.table.key());
        if key.is_empty() {
            return Ok(());
        }
        let keyed = key.iter().all(|n| rights.insertable.contains(n));
        let Some(set) = (rights.insert && rights.update && keyed).then(|| self.harmless_set(ready, rights, ready.b)).flatten() else {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        };
        let mut row = match self.own_insert(ready) {
            Some((_, row)) => row,
            None => ready.a.clone(),
        };
        for number in key {
            row.insert(*number, ready.b.get(number).cloned().flatten());
        }
        let row = rights.given(row);
        let tail = format!(" ON CONFLICT ({}) DO UPDATE SET {set}", names(ready.table, key));
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND ctid = '{}'", ready.at_b, ready.ctid_b);
        let upsert = insert_sql(ready.table, &row, &tail);
        let (verdict, why) = match self.attempt("", &upsert, &truth).await? {
            Ok(numbers) if numbers.last() == Some(&0) => (CellVerdict::Leak, "B's row was taken over (expected: refused)".into()),
            Ok(_) => quiet(control, "B's row is untouched"),
            Err(error) if error.sqlstate.as_deref().is_some_and(|state| state.starts_with("23") || state.starts_with("P0")) => {
                (CellVerdict::Isolated, format!("stopped by a constraint or a trigger ({})", error.sqlstate.unwrap_or_default()))
            }
            Err(error) => refused(&error, control, COMMAND),
        };
        self.cell(
            ready,
            COMMAND,
            verdict,
            why,
            Some(format!(
                "{} ON CONFLICT ({}) DO UPDATE SET {} = <its own value>",
                shown_insert(ready.table, &row, "B's key, A's tenant"),
                names(ready.table, key),
                set.split(" = ").next().unwrap_or_default()
            )),
            matrix,
        );
        matrix.tried(Tried::touch(ready.table, &ready.at_b, "", &upsert));
        Ok(())
    }
}
